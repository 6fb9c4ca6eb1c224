package job_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen/attempt"
	"parley/internal/apperr"
	"parley/internal/dispatch"
	"parley/internal/job"
	"parley/internal/jobspec"
)

func TestJobGoesFromQueuedOverRunningToSucceeded(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		require.Equal(t, job.Queued, j.State)
		require.Equal(t, int64(1), j.Version)
		require.Zero(t, j.Attempt)
		require.Equal(t, 5, j.MaxAttempts)
		require.Equal(t, []string{"PUBLISH " + j.RunID + " 1"}, e.outbox())
		require.Positive(t, e.woken.Load())

		r := e.run(j)
		e.record(started(r, "w1"))
		now := e.look(j)
		require.Equal(t, job.Running, now.State)
		require.Equal(t, 1, now.Attempt)
		require.Equal(t, "w1", *e.run(j).Worker)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeRUNNING}, outcomesOf(e.attempts(j)))

		e.record(done(r, "w1"))
		now = e.look(j)
		require.Equal(t, job.Succeeded, now.State)
		require.Equal(t, int64(3), now.Version)
		require.NotNil(t, now.FinishedAt)
		require.Nil(t, now.ErrorCode)
		require.Equal(t, []string{"QUEUED", "RUNNING", "SUCCEEDED"}, statesOf(e.events("user_a", j.ID)))
		require.Len(t, e.events("user_a", j.SubjectID), 1, "the domain's event is committed with the job's")
		require.Len(t, e.toy.outcomes(j.ID), 1)
		require.Equal(t, `"fine"`, string(e.toy.outcomes(j.ID)[0].Payload))
		tries := e.attempts(j)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeSUCCEEDED}, outcomesOf(tries))
		require.NotNil(t, tries[0].EndedAt)
		require.Nil(t, e.run(j).ActiveKey, "equal work may be asked for again")
	})
}

func TestFailureComesBackLaterAndLater(t *testing.T) {
	onBoth(t, job.Config{RetryBase: time.Minute, RetryMax: 3 * time.Minute, MaxAttempts: 9}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		want := []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute}
		for i, delay := range want {
			r := e.run(j)
			e.record(started(r, "w"))
			e.record(failed(r, "w", jobspec.CodeModelBroken))
			now := e.look(j)
			require.Equal(t, job.Queued, now.State)
			require.Equal(t, i+1, now.Attempt, "the attempt that was begun last")
			require.Equal(t, "MODEL_BROKEN", *now.ErrorCode)
			require.Equal(t, "It said MODEL_BROKEN.", *now.ErrorMessage)
			tries := e.attempts(j)
			got := now.RunAt.Sub(*tries[i].EndedAt)
			require.InDelta(t, delay, got, 0.2*float64(delay)+float64(time.Millisecond), "give or take a fifth")
			due, next, err := e.Prepare(t.Context(), 10)
			require.NoError(t, err)
			require.Empty(t, dispatchedOf(due, i+2), "not before its time")
			require.False(t, next.IsZero())
		}
		require.Equal(t, 5, e.run(j).Attempt)
	})
}

func TestDelaysOfEqualFailuresDiffer(t *testing.T) {
	onBoth(t, job.Config{RetryBase: time.Minute}, func(t *testing.T, e *engine) {
		delays := map[time.Duration]bool{}
		for _, work := range []string{"a", "b", "c", "d"} {
			j := e.ask("user_a", work)
			e.record(failed(e.run(j), "w", jobspec.CodeInternal))
			delays[e.look(j).RunAt.Sub(*e.attempts(j)[0].EndedAt)] = true
		}
		require.Greater(t, len(delays), 1, "jitter keeps a crowd from coming back together")
	})
}

func TestRefusedWorkFailsAtOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		for _, code := range []jobspec.Code{jobspec.CodeInvalidInput, jobspec.CodeUnsupportedLanguage} {
			j := e.ask("user_a", string(code))
			e.record(started(e.run(j), "w"), failed(e.run(j), "w", code))
			now := e.look(j)
			require.Equal(t, job.Failed, now.State)
			require.Equal(t, string(code), *now.ErrorCode)
			require.Equal(t, []attempt.Outcome{attempt.OutcomeFAILED}, outcomesOf(e.attempts(j)))
			require.Equal(t, "It said "+string(code)+".", *e.attempts(j)[0].Reason)
		}
	})
}

func TestJobIsDeadWhenItsAttemptsAreUsedUp(t *testing.T) {
	onBoth(t, job.Config{MaxAttempts: 3, RetryBase: time.Nanosecond}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		for range 3 {
			e.record(failed(e.run(j), "w", jobspec.CodeInternal))
		}
		now := e.look(j)
		require.Equal(t, job.Dead, now.State)
		require.Equal(t, 3, now.Attempt)
		require.Equal(t, []string{"QUEUED", "QUEUED", "QUEUED", "DEAD"}, statesOf(e.events("user_a", j.ID)))
		require.Len(t, e.attempts(j), 3)
		require.Equal(t, job.Dead, e.toy.outcomes(j.ID)[0].State)
	})
}

func TestJobIsDeadAfterTwoLostWorkers(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w1", "pool", "x")
		j := e.ask("user_a", "x")
		e.relay()
		e.record(started(e.run(j), "w1"))
		require.Equal(t, 1, e.rescue(j.RunID, true))
		require.Equal(t, job.Queued, e.look(j).State)
		require.Equal(t, "WORKER_LOST", *e.look(j).ErrorCode)

		e.relay()
		e.record(started(e.run(j), "w2"))
		require.Equal(t, 1, e.rescue(j.RunID, true))
		now := e.look(j)
		require.Equal(t, job.Dead, now.State)
		require.Equal(t, "WORKER_LOST", *now.ErrorCode)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeLOST, attempt.OutcomeLOST}, outcomesOf(e.attempts(j)))
	})
}

func TestCancelledJobStaysCancelled(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		r := e.run(j)
		e.record(started(r, "w"))
		got, err := e.Cancel(e.as("user_a"), j.ID)
		require.NoError(t, err)
		require.Equal(t, job.Cancelled, got.State)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeCANCELLED}, outcomesOf(e.attempts(j)))
		require.Contains(t, e.outbox(), "CANCEL "+r.ID+" 1", "the worker is told")
		require.NotContains(t, e.outbox(), "PUBLISH "+r.ID+" 1")

		e.record(done(r, "w"))
		require.Equal(t, job.Cancelled, e.look(j).State, "a late result is fenced")
		stale, _, _ := e.Counts()
		require.Equal(t, int64(1), stale)

		version := e.look(j).Version
		again, err := e.Cancel(e.as("user_a"), j.ID)
		require.NoError(t, err)
		require.Equal(t, version, again.Version, "after the end it does nothing")
		require.Len(t, e.toy.outcomes(j.ID), 1)
	})
}

func TestCancelAfterTheEndIsANoOp(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		e.record(done(e.run(j), "w"))
		got, err := e.Cancel(e.as("user_a"), j.ID)
		require.NoError(t, err)
		require.Equal(t, job.Succeeded, got.State)
		require.Equal(t, e.look(j).Version, got.Version)
	})
}

func TestStrangersFindNoJob(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		for name, call := range map[string]func() error{
			"get":    func() error { _, err := e.Get(e.as("user_b"), j.ID); return err },
			"getAll": func() error { _, err := e.GetAll(e.as("user_b"), []string{j.ID}); return err },
			"cancel": func() error { _, err := e.Cancel(e.as("user_b"), j.ID); return err },
			"retry":  func() error { _, err := e.Retry(e.as("user_b"), j.ID); return err },
		} {
			require.True(t, apperr.Is(call(), apperr.NotFound), name)
		}
		require.Equal(t, job.Queued, e.look(j).State)
	})
}

// dispatchedOf keeps the dispatches of one attempt.
func dispatchedOf(all []dispatch.Item, attempt int) (some []dispatch.Item) {
	for _, d := range all {
		if d.Job.Attempt == attempt {
			some = append(some, d)
		}
	}
	return some
}
