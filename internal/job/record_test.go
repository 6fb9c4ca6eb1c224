package job_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen/attempt"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

func TestResultIsRecordedOnceHoweverOftenItComes(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		r := e.run(j)
		e.record(done(r, "w"), done(r, "w"))
		e.record(done(r, "w"))
		e.record(started(r, "w"))
		e.record(failed(r, "w", jobspec.CodeInternal))
		require.Equal(t, job.Succeeded, e.look(j).State)
		require.Len(t, e.toy.outcomes(j.ID), 1)
		require.Equal(t, []string{"QUEUED", "SUCCEEDED"}, statesOf(e.events("user_a", j.ID)))
		stale, _, _ := e.Counts()
		require.Equal(t, int64(3), stale, "what came later is counted")
	})
}

func TestResultBeforeItsStartIsRecorded(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		d := done(e.run(j), "w7")
		e.record(d)
		now := e.look(j)
		require.Equal(t, job.Succeeded, now.State)
		require.Equal(t, 1, now.Attempt)
		tries := e.attempts(j)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeSUCCEEDED}, outcomesOf(tries))
		require.Equal(t, "w7", tries[0].Worker)
		require.WithinDuration(t, d.StartedAt, tries[0].StartedAt, 1000)
	})
}

func TestStartAndEndInOneBatchAreOneChange(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		r := e.run(j)
		e.record(done(r, "w"), started(r, "w"))
		require.Equal(t, []string{"QUEUED", "SUCCEEDED"}, statesOf(e.events("user_a", j.ID)))
		require.Equal(t, int64(2), e.look(j).Version)
	})
}

func TestStaleAttemptIsFencedAndCounted(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		first := e.run(j)
		e.record(failed(first, "w1", jobspec.CodeInternal))
		e.record(done(first, "w1"))
		require.Equal(t, job.Queued, e.look(j).State)
		second := e.run(j)
		e.record(started(second, "w2"))
		e.record(done(first, "w1"), report(first.ID, first.Attempt, "w1", jobspec.ResultHeartbeat))
		now := e.look(j)
		require.Equal(t, job.Running, now.State)
		require.Equal(t, "w2", *e.run(j).Worker)
		e.record(done(second, "w2"))
		require.Equal(t, job.Succeeded, e.look(j).State)
		require.Len(t, e.toy.outcomes(j.ID), 1)
		stale, _, retried := e.Counts()
		require.Equal(t, int64(2), stale, "the two of one batch speak of one attempt")
		require.Equal(t, int64(1), retried)
	})
}

func TestOfTwoEndsOfOneAttemptTheResultCounts(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		r := e.run(j)
		e.record(failed(r, "w1", jobspec.CodeInternal), done(r, "w2"))
		require.Equal(t, job.Succeeded, e.look(j).State)
		require.Equal(t, "w2", e.attempts(j)[0].Worker)
	})
}

func TestResultsOfUnknownRunsAreDropped(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		unknown := report(store.NewID("run"), 1, "w", jobspec.ResultDone)
		strange := report("not even an id", 1, "w", jobspec.ResultFailed)
		e.record(unknown, done(e.run(j), "w"), strange)
		require.Equal(t, job.Succeeded, e.look(j).State)
		stale, _, _ := e.Counts()
		require.Equal(t, int64(2), stale)
	})
}

func TestResultThatItsDomainCantTakeFailsOnlyItsOwnAttempt(t *testing.T) {
	onBoth(t, job.Config{MaxAttempts: 2}, func(t *testing.T, e *engine) {
		good, bad := e.ask("user_a", "good"), e.ask("user_a", "bad")
		poison := done(e.run(bad), "w")
		poison.Payload = json.RawMessage(`"poison"`)
		e.record(poison, done(e.run(good), "w"))
		require.Equal(t, job.Succeeded, e.look(good).State)
		require.Equal(t, job.Queued, e.look(bad).State)
		require.Equal(t, "INTERNAL", *e.look(bad).ErrorCode)
		poison.Attempt = 2
		e.record(poison)
		require.Equal(t, job.Dead, e.look(bad).State)
	})
}

func TestResultThatCantBeWrittenFailsOnlyItsOwnAttempt(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		good, bad := e.ask("user_a", "good"), e.ask("user_a", "bad")
		e.toy.broken[bad.SubjectID] = true
		e.record(done(e.run(bad), "w"), done(e.run(good), "w"))
		require.Equal(t, job.Succeeded, e.look(good).State)
		now := e.look(bad)
		require.Equal(t, job.Queued, now.State, "it is tried again")
		require.Equal(t, "The result could not be stored.", *now.ErrorMessage)
		e.toy.broken[bad.SubjectID] = false
		e.record(done(e.run(bad), "w"))
		require.Equal(t, job.Succeeded, e.look(bad).State)
		require.Len(t, e.toy.outcomes(good.ID), 1)
	})
}

func TestJobWhoseSubjectIsGoneEndsCancelled(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		e.toy.gone[j.SubjectID] = true
		e.record(done(e.run(j), "w"))
		require.Equal(t, job.Cancelled, e.look(j).State)
		require.Empty(t, e.toy.outcomes(j.ID))
	})
}

func TestHeartbeatsKeepARunAliveWithoutEvents(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		r := e.run(j)
		e.record(started(r, "w"))
		version := e.look(j).Version
		e.age(r.ID)
		e.record(report(r.ID, 1, "w", jobspec.ResultHeartbeat))
		n, err := e.Rescue(t.Context(), &broker{})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, version, e.look(j).Version)
	})
}

func TestLargeBatchOfMixedResultsIsRecordedWhole(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		const n = 60
		var results []jobspec.Result
		jobs := make([]string, n)
		for i := range n {
			j := e.ask("user_a", string(rune('A'+i)))
			jobs[i] = j.ID
			r := e.run(j)
			switch i % 3 {
			case 0:
				results = append(results, started(r, "w"))
			case 1:
				results = append(results, started(r, "w"), done(r, "w"))
			case 2:
				results = append(results, failed(r, "w", jobspec.CodeInvalidInput))
			}
		}
		e.record(results...)
		all, err := e.GetAll(e.as("user_a"), jobs)
		require.NoError(t, err)
		for i, j := range all {
			require.Equal(t, []job.State{job.Running, job.Succeeded, job.Failed}[i%3], j.State)
		}
	})
}

func TestRecordersThatGetTheSameResultsRecordThemOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		var results []jobspec.Result
		var ids []string
		for i := range 20 {
			j := e.ask("user_a", string(rune('A'+i)))
			ids = append(ids, j.ID)
			results = append(results, done(e.run(j), "w"))
		}
		var all sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			all.Go(func() {
				errs[i] = e.Record(t.Context(), append(results[i*5:len(results):len(results)], results[:i*5]...))
			})
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		for _, id := range ids {
			require.Len(t, e.toy.outcomes(id), 1)
			require.Len(t, e.events("user_a", id), 2)
		}
		stale, _, _ := e.Counts()
		require.Equal(t, int64(60), stale)
	})
}
