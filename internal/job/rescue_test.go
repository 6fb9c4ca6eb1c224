package job_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen/attempt"
	"parley/internal/job"
	"parley/internal/jobspec"
)

func TestRunThatTheBrokerLostIsPublishedAnew(t *testing.T) {
	onBoth(t, job.Config{MaxAttempts: 1}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.ask("user_a", "x")
		e.relay()
		for range 3 {
			require.Equal(t, 1, e.rescue(j.RunID, false))
			require.Len(t, e.relay(), 1)
		}
		require.Equal(t, 4, e.run(j).Attempt)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeLOST, attempt.OutcomeLOST, attempt.OutcomeLOST}, outcomesOf(e.attempts(j)))
		require.Equal(t, "The broker lost its message.", *e.attempts(j)[0].Reason)
		e.record(done(e.run(j), "w"))
		now := e.look(j)
		require.Equal(t, job.Succeeded, now.State, "that is not the run's fault: it keeps its attempts")
		require.Equal(t, 4, now.MaxAttempts)
	})
}

func TestRunThatTheBrokerStillHoldsIsLeftAlone(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.ask("user_a", "x")
		e.relay()
		require.Zero(t, e.rescue(j.RunID, true))
		require.Equal(t, 1, e.run(j).Attempt)
	})
}

func TestRunWhoseReportIsOnItsWayIsLeftAlone(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x", "y")
		queued, running := e.ask("user_a", "x"), e.ask("user_a", "y")
		e.relay()
		e.record(started(e.run(running), "w"))
		e.age(queued.RunID)
		e.age(running.RunID)
		n, err := e.Rescue(t.Context(), &broker{reports: map[string]bool{queued.RunID: true, running.RunID: true}})
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestRunThatLatelyGaveASignIsLeftAlone(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x", "y")
		queued, running := e.ask("user_a", "x"), e.ask("user_a", "y")
		e.relay()
		e.record(started(e.run(running), "w"))
		ended := e.ask("user_a", "z")
		e.record(done(e.run(ended), "w"))
		e.age(ended.RunID)
		n, err := e.Rescue(t.Context(), &broker{})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, job.Queued, e.look(queued).State)
		require.Equal(t, job.Succeeded, e.look(ended).State)
	})
}

func TestRunThatStillLiesInTheOutboxIsLeftAlone(t *testing.T) {
	onBoth(t, job.Config{RetryBase: time.Hour}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.ask("user_a", "x")
		e.relay()
		e.record(failed(e.run(j), "w", jobspec.CodeInternal))
		require.Zero(t, e.rescue(j.RunID, false), "it waits for its second attempt")
	})
}

// The rescuer looked at the 500 that had waited longest, which in a long queue
// are all well: what the broker had lost behind them was never found.
func TestLostRunBehindALongQueueIsFound(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		held := map[string]bool{}
		var last string
		works := make([]string, 520)
		for i := range works {
			works[i] = string(rune('0' + i))
		}
		e.announce("w", "pool", works...)
		requests := make([]job.Request, len(works))
		for i, work := range works {
			requests[i] = e.request(jobspec.LaneBulk, "user_a", work)
		}
		require.NoError(t, e.store.Tx(e.as("user_a"), func(ctx context.Context) error {
			jobs, err := e.Enqueue(ctx, requests)
			for _, j := range jobs {
				held[j.RunID], last = true, max(last, j.RunID)
			}
			return err
		}))
		delete(held, last)
		e.relay()
		_, err := e.store.Exec(t.Context(), "UPDATE runs SET published_at = ?", time.Now().Add(-time.Hour).UTC())
		require.NoError(t, err)
		n, err := e.Rescue(t.Context(), &broker{work: held})
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestSilentRunsOldMessageIsTakenFromTheQueue(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.ask("user_a", "x")
		e.relay()
		e.record(started(e.run(j), "w"))
		e.age(j.RunID)
		b := &broker{work: map[string]bool{j.RunID: true}}
		n, err := e.Rescue(t.Context(), b)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, []string{j.RunID + " up to 7"}, b.purged)
		require.Equal(t, []string{"PUBLISH " + j.RunID + " 2"}, e.outbox())
		e.record(done(e.run(j), "w2"))
		require.Equal(t, job.Succeeded, e.look(j).State)
	})
}

// A purge under the lock of its run made every report and cancellation of that
// run wait for the broker.
func TestTheBrokerIsAskedWithoutALockOnTheRun(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.ask("user_a", "x")
		e.relay()
		e.record(started(e.run(j), "w"))
		e.age(j.RunID)
		b := &broker{work: map[string]bool{j.RunID: true}, purge: func() {
			_, err := e.Cancel(e.as("user_a"), j.ID)
			require.NoError(t, err)
		}}
		n, err := e.Rescue(t.Context(), b)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, job.Cancelled, e.look(j).State)
	})
}

func TestRunInAQueueWithoutWorkersMovesToThoseWhoCanDoIt(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("old", "old-pool", "x")
		j := e.ask("user_a", "x")
		require.Equal(t, "old-pool", e.relay()[0].Job.Pool)
		e.leave("old", 2*time.Minute)
		require.Zero(t, e.rescue(j.RunID, true), "nobody else can do it")
		e.announce("new", "new-pool", "x")
		require.Equal(t, 1, e.rescue(j.RunID, true))
		due := e.relay()
		require.Len(t, due, 1)
		require.Equal(t, "new-pool", due[0].Job.Pool)
		require.False(t, e.waits(j))
	})
}
