package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/internal/apperr"
	"parley/internal/job"
	"parley/internal/jobspec"
)

// end brings a fresh job to a final state.
func (e *engine) end(owner, work string, state job.State) *gen.Job {
	e.t.Helper()
	j := e.ask(owner, work)
	switch state {
	case job.Succeeded:
		e.record(done(e.run(j), "w"))
	case job.Failed:
		e.record(failed(e.run(j), "w", jobspec.CodeInvalidInput))
	case job.Dead:
		for range e.run(j).MaxAttempts {
			e.record(failed(e.run(j), "w", jobspec.CodeInternal))
		}
	case job.Cancelled:
		e.record(started(e.run(j), "w"))
		_, err := e.Cancel(e.as(owner), j.ID)
		require.NoError(e.t, err)
	}
	now := e.look(j)
	require.Equal(e.t, state, now.State)
	return now
}

func TestRetryReopensUnderTheSameID(t *testing.T) {
	onBoth(t, job.Config{MaxAttempts: 2}, func(t *testing.T, e *engine) {
		for _, state := range []job.State{job.Failed, job.Dead, job.Cancelled} {
			old := e.end("user_a", string(state), state)
			before := e.attempts(old)
			j, err := e.Retry(e.as("user_a"), old.ID)
			require.NoError(t, err)
			require.Equal(t, old.ID, j.ID)
			require.Equal(t, job.Queued, j.State)
			require.Equal(t, old.Version+1, j.Version)
			require.Equal(t, old.Attempt, j.Attempt, "no new one was begun yet")
			require.Equal(t, old.Attempt+2, j.MaxAttempts, "it has new attempts")
			require.Nil(t, j.ErrorCode)
			require.Nil(t, j.FinishedAt)
			require.Len(t, e.attempts(j), len(before), "the earlier ones stay visible")

			e.record(failed(e.run(j), "w", jobspec.CodeInternal))
			e.record(started(e.run(j), "w"))
			require.Equal(t, old.Attempt+2, e.look(j).Attempt)
			e.record(done(e.run(j), "w"))
			require.Equal(t, job.Succeeded, e.look(j).State)
			var numbers []int
			for _, try := range e.attempts(j) {
				numbers = append(numbers, try.Number)
			}
			want := []int{1, 2, 3, 4}[:old.Attempt+2]
			require.Equal(t, want, numbers, "numbered on")
			events := e.events("user_a", j.ID)
			require.Equal(t, int64(len(events)), e.look(j).Version, "one event for each version")
		}
	})
}

func TestRetryOfAJobThatIsNotOverOrSucceededIsAConflict(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		queued := e.ask("user_a", "q")
		running := e.ask("user_a", "r")
		e.record(started(e.run(running), "w"))
		for _, j := range []*gen.Job{queued, running, e.end("user_a", "s", job.Succeeded)} {
			_, err := e.Retry(e.as("user_a"), j.ID)
			require.True(t, apperr.Is(err, apperr.Conflict), "%v", err)
		}
	})
}

func TestRetryThatItsDomainRefusesChangesNothing(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.end("user_a", "x", job.Failed)
		e.toy.changed[j.SubjectID] = true
		_, err := e.Retry(e.as("user_a"), j.ID)
		require.True(t, apperr.Is(err, apperr.Conflict))
		require.Equal(t, j.String(), e.look(j).String())
	})
}

func TestRetryOfACancelledJobRejoinsTheRunThatWentOn(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a, b := e.ask("user_a", "x"), e.ask("user_b", "x")
		r := e.run(a)
		e.record(started(r, "w"))
		_, err := e.Cancel(e.as("user_a"), a.ID)
		require.NoError(t, err)
		again, err := e.Retry(e.as("user_a"), a.ID)
		require.NoError(t, err)
		require.Equal(t, b.RunID, again.RunID)
		require.Equal(t, job.Running, again.State)
		require.Equal(t, 1, again.Attempt)
		require.Len(t, e.attempts(again), 1, "the attempt counts once")
		e.record(done(r, "w"))
		require.Equal(t, job.Succeeded, e.look(a).State)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeSUCCEEDED}, outcomesOf(e.attempts(a)))
	})
}

func TestWhatARunDidAfterAJobLeftItIsNotTheJobs(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a, b := e.ask("user_a", "x"), e.ask("user_b", "x")
		e.record(failed(e.run(a), "w", jobspec.CodeInternal))
		_, err := e.Cancel(e.as("user_a"), a.ID)
		require.NoError(t, err)
		e.record(failed(e.run(b), "w", jobspec.CodeInternal))
		e.record(failed(e.run(b), "w", jobspec.CodeInvalidInput))
		again, err := e.Retry(e.as("user_a"), a.ID)
		require.NoError(t, err)
		require.NotEqual(t, b.RunID, again.RunID)
		require.Equal(t, 1, again.Attempt)
		e.record(done(e.run(again), "w"))
		require.Equal(t, []attempt.Outcome{attempt.OutcomeFAILED, attempt.OutcomeSUCCEEDED}, outcomesOf(e.attempts(a)))
		require.Len(t, e.attempts(b), 3)
	})
}

func TestRetryCountsAgainstTheLimit(t *testing.T) {
	onBoth(t, job.Config{MaxPerUser: 1}, func(t *testing.T, e *engine) {
		j := e.end("user_a", "x", job.Failed)
		e.ask("user_a", "y")
		_, err := e.Retry(e.as("user_a"), j.ID)
		require.True(t, apperr.Is(err, apperr.RateLimited))
	})
}
