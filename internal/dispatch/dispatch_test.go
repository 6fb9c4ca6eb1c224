package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/store"
)

func TestTheOutboxKeepsWhatWasNotDispatched(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x", "y")
		x, y := h.ask("x"), h.ask("y")
		due, _ := h.due()
		require.Len(t, due, 2)
		require.Equal(t, jobspec.Job{
			Run: x.RunID, Attempt: 1, Kind: "toy", Pool: "pool", Lane: jobspec.LaneInteractive, Payload: due[0].Job.Payload,
		}, due[0].Job, "the oldest first")
		require.JSONEq(t, `"x"`, string(due[0].Job.Payload))
		require.Equal(t, jobspec.FlagNone, due[0].Flag)
		require.NoError(t, h.Done(t.Context(), due[:1]))
		require.NotNil(t, h.run(x).PublishedAt)
		require.Nil(t, h.run(y).PublishedAt)

		again, _ := h.due()
		require.Len(t, again, 1, "what a crash left behind is due again")
		require.Equal(t, y.RunID, again[0].Job.Run)
		require.NoError(t, h.Done(t.Context(), again))
		none, next := h.due()
		require.Empty(t, none)
		require.True(t, next.IsZero(), "nothing will be due by itself")
	})
}

func TestNoMoreIsReadiedThanWasAskedForAndTheRestNext(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x", "y")
		x, y := h.ask("x"), h.ask("y")
		for _, j := range []string{x.RunID, y.RunID} {
			before := store.Now()
			some, next, err := h.Prepare(t.Context(), 1)
			require.NoError(t, err)
			require.Len(t, some, 1)
			require.Equal(t, j, some[0].Job.Run)
			require.False(t, next.Before(before) || next.After(store.Now()), "there may be more: look again now")
			require.NoError(t, h.Done(t.Context(), some))
		}
		require.Empty(t, h.rows())
	})
}

func TestWhatIsNotDueYetTellsWhenItIs(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x", "y")
		x := h.ask("x")
		h.ask("y")
		soon, later := store.Now().Add(time.Minute), store.Now().Add(time.Hour)
		h.exec("UPDATE outbox SET run_at = ?", later)
		h.exec("UPDATE outbox SET run_at = ? WHERE run_id = ?", soon, x.RunID)
		none, next := h.due()
		require.Empty(t, none)
		require.True(t, soon.Equal(next), "%s, want %s", next, soon)
	})
}

func TestRowsThatNoLongerMatterAreDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x", "y", "z")
		x, y, z := h.ask("x"), h.ask("y"), h.ask("z")
		h.report(x, 1, jobspec.ResultDone)    // the message came before the row was deleted
		h.report(y, 1, jobspec.ResultFailed)  // and here with a new attempt
		h.report(z, 1, jobspec.ResultStarted) // this one is under way
		due, _ := h.due()
		require.Len(t, due, 1)
		require.Equal(t, y.RunID, due[0].Job.Run)
		require.Equal(t, 2, due[0].Job.Attempt)
		require.NoError(t, h.Done(t.Context(), due))
		require.Empty(t, h.rows())
	})
}

func TestADispatchThatComesLateDoesNotTouchTheNextAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x", "y")
		x, y := h.ask("x"), h.ask("y")
		due, _ := h.due()
		require.Len(t, due, 2)
		h.report(x, 1, jobspec.ResultFailed)
		h.report(y, 1, jobspec.ResultDone)
		require.NoError(t, h.Done(t.Context(), due))
		require.Nil(t, h.run(x).PublishedAt, "the second attempt still waits in the outbox")
		require.Nil(t, h.run(y).PublishedAt, "a worker was faster")
		require.Equal(t, []string{"PUBLISH " + x.RunID + " 2"}, h.rows())
	})
}

func TestACancelledRunIsTakenBackFromWhereItWasPut(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x")
		j := h.ask("x")
		_, err := h.jobs.Cancel(h.as(owner), j.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"CANCEL " + j.RunID + " 1"}, h.rows(), "its message is not sent any more")
		due, _ := h.due()
		require.Len(t, due, 1)
		require.Equal(t, jobspec.FlagCancelled, due[0].Flag)
		require.Equal(t, jobspec.Job{Run: j.RunID, Attempt: 1, Kind: "toy", Pool: "pool", Lane: jobspec.LaneInteractive}, due[0].Job)
		require.NoError(t, h.Done(t.Context(), due))
		require.Empty(t, h.rows())
		require.Nil(t, h.run(j).PublishedAt, "taking back is not publishing")
	})
}

func TestARunThatIsGoneIsTakenBackAndNotPublished(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.exec("INSERT INTO outbox (run_id, attempt, action, run_at) VALUES ('run_gone', 3, 'CANCEL', ?), ('run_gone', 3, 'PUBLISH', ?)", store.Now(), store.Now())
		due, _ := h.due()
		require.Len(t, due, 1)
		require.Equal(t, jobspec.FlagCancelled, due[0].Flag)
		require.Equal(t, jobspec.Job{Run: "run_gone", Attempt: 3}, due[0].Job, "its worker may still be at it")
		require.Equal(t, []string{"CANCEL run_gone 3"}, h.rows())
	})
}

func TestDoneWithNothingIsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.ask("x")
		before := h.rows()
		require.NoError(t, h.Done(t.Context(), nil))
		require.Equal(t, before, h.rows())
	})
}
