package job_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/dispatch"
	"parley/internal/job"
	"parley/internal/jobspec"
)

func TestOutboxKeepsWhatWasNotDispatched(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x", "y")
		x, y := e.ask("user_a", "x"), e.ask("user_a", "y")
		due, _, err := e.Prepare(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, due, 2)
		require.Equal(t, x.RunID, due[0].Job.Run, "the oldest first")
		require.Equal(t, "pool", due[0].Job.Pool)
		require.JSONEq(t, string(payloadOf("x")), string(due[0].Job.Payload))
		require.NoError(t, e.Done(t.Context(), due[:1]))
		require.NotNil(t, e.run(x).PublishedAt)
		require.Nil(t, e.run(y).PublishedAt)

		again, _, err := e.Prepare(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, again, 1, "what a crash left behind is due again")
		require.NoError(t, e.Done(t.Context(), again))
		none, next, err := e.Prepare(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, none)
		require.True(t, next.IsZero())
	})
}

func TestOutboxRowsThatNoLongerMatterAreDropped(t *testing.T) {
	onBoth(t, job.Config{RetryBase: time.Nanosecond}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x", "y")
		x, y := e.ask("user_a", "x"), e.ask("user_a", "y")
		e.record(done(e.run(x), "w"))                            // the message came before the row was deleted
		e.record(failed(e.run(y), "w", jobspec.CodeModelBroken)) // and here with a new attempt
		due := e.relay()
		require.Len(t, due, 1)
		require.Equal(t, y.RunID, due[0].Job.Run)
		require.Equal(t, 2, due[0].Job.Attempt)
		require.Empty(t, e.outbox())
	})
}

func TestDispatchThatComesLateDoesNotTouchTheNextAttempt(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.ask("user_a", "x")
		due, _, err := e.Prepare(t.Context(), 10)
		require.NoError(t, err)
		e.record(failed(e.run(j), "w", jobspec.CodeInternal))
		require.NoError(t, e.Done(t.Context(), due))
		require.Nil(t, e.run(j).PublishedAt, "the second attempt still waits in the outbox")
		require.Equal(t, []string{"PUBLISH " + j.RunID + " 2"}, e.outbox())
	})
}

// waits tells whether the job says that it waits for a worker.
func (e *engine) waits(j *gen.Job) bool {
	e.t.Helper()
	j = e.look(j)
	waiting, err := e.WaitingOf(e.as(j.OwnerID), []*gen.Job{j})
	require.NoError(e.t, err)
	return waiting[j.ID]
}

func TestJobThatNobodyCanDoWaitsForAWorkerAndGoesOn(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		x, y := e.ask("user_a", "x"), e.ask("user_a", "y")
		require.True(t, e.waits(x))
		require.Empty(t, e.relay())
		e.announce("w", "pool", "y")
		require.True(t, e.waits(x))
		require.Empty(t, dispatchesOf(e.relay(), x))

		woken := e.woken.Load()
		e.announce("w", "pool", "x", "y")
		require.Greater(t, e.woken.Load(), woken, "the relay looks again at once")
		due := e.relay()
		require.Len(t, dispatchesOf(due, x), 1)
		require.False(t, e.waits(x))
		require.False(t, e.waits(y))
		e.record(started(e.run(x), "w"))
		require.False(t, e.waits(x), "it no longer waits for anything")
	})
}

func TestJobOfWorkersThatAreGoneWaits(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		e.leave("w", 2*time.Minute)
		fresh := newEngine(t, e.store, job.Config{})
		_, err := fresh.Workers(t.Context())
		require.NoError(t, err)
		j := fresh.ask("user_a", "x")
		require.Len(t, fresh.relay(), 1, "it lies in their queue")
		require.True(t, fresh.waits(j))
		fresh.announce("w", "pool", "x")
		require.False(t, fresh.waits(j))
	})
}

func TestLivingWorkersArePreferred(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("old", "old-pool", "x")
		e.announce("new", "new-pool", "x")
		e.leave("old", 2*time.Minute)
		fresh := newEngine(t, e.store, job.Config{})
		_, err := fresh.Workers(t.Context())
		require.NoError(t, err)
		require.Equal(t, "new-pool", fresh.run(fresh.ask("user_a", "x")).Pool)
	})
}

func TestAnnouncementsOfTheLongGoneAreForgottenButNotTheLast(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("old", "pool", "x")
		e.leave("old", 2*time.Hour)
		names := func() (ids []string) {
			workers, err := newEngine(t, e.store, job.Config{}).Workers(t.Context())
			require.NoError(t, err)
			for _, w := range workers {
				ids = append(ids, w.ID)
			}
			return ids
		}
		require.Equal(t, []string{"old"}, names(), "the last one is kept, however old")
		e.announce("new", "pool", "y")
		require.Equal(t, []string{"new"}, names())
		e.announce("newer", "pool", "y")
		require.Equal(t, []string{"newer", "new"}, names())
	})
}

func TestLookingForWorkersInATransactionWaitsForNobody(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		_, err := e.Workers(t.Context())
		require.NoError(t, err)
		require.NoError(t, e.store.Tx(e.as("user_a"), func(ctx context.Context) error {
			_, err := e.Bundles(ctx)
			return err
		}))
	})
}

func dispatchesOf(all []dispatch.Item, j *gen.Job) (some []dispatch.Item) {
	for _, d := range all {
		if d.Job.Run == j.RunID {
			some = append(some, d)
		}
	}
	return some
}
