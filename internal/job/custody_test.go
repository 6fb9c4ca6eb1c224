package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen/attempt"
	"parley/internal/job"
	"parley/internal/jobspec"
)

func TestAChangeOfWorkerWithinAnAttemptIsRecorded(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		r := e.run(j)
		e.record(started(r, "w1"))
		e.record(report(r.ID, 1, "w1", jobspec.ResultHeartbeat), report(r.ID, 1, "w2", jobspec.ResultHeartbeat))
		require.Zero(t, e.attempts(j)[0].Handovers(), "a sign of life alone is no change")
		e.record(started(r, "w2"))
		e.record(started(r, "w2"), started(r, "w3"))
		e.record(done(r, "w4"))
		tries := e.attempts(j)
		require.Len(t, tries, 1)
		require.Equal(t, "w4", tries[0].Worker)
		require.Equal(t, attempt.OutcomeSUCCEEDED, tries[0].Outcome)
		require.Equal(t, []string{"w1", "w2", "w3"}, tries[0].EarlierWorkers)
		require.Equal(t, 3, tries[0].Handovers())
		require.Equal(t, int64(3), e.look(j).Version, "its owner is told of the start and the end")
	})
}

func TestWhatAWorkerRefusesAsDeadlyIsDead(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		j := e.ask("user_a", "x")
		e.record(started(e.run(j), "w1"), failed(e.run(j), "w3", jobspec.CodeWorkerLost))
		now := e.look(j)
		require.Equal(t, job.Dead, now.State)
		require.Equal(t, "WORKER_LOST", *now.ErrorCode)
		require.Equal(t, []attempt.Outcome{attempt.OutcomeLOST}, outcomesOf(e.attempts(j)))
	})
}

func TestRunsOfADeadWorkerGoOnAtOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x", "y", "z", "q")
		taken, others, reported, queued := e.ask("user_a", "x"), e.ask("user_a", "y"), e.ask("user_a", "z"), e.ask("user_a", "q")
		e.relay()
		e.record(started(e.run(taken), "w"), started(e.run(others), "w2"), started(e.run(reported), "w"))
		b := &broker{work: map[string]bool{taken.RunID: true}, reports: map[string]bool{reported.RunID: true}}
		n, err := e.RescueFrom(t.Context(), b, "w")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, []string{taken.RunID + " up to 7"}, b.purged)
		require.Equal(t, job.Queued, e.look(taken).State)
		require.Equal(t, job.Running, e.look(others).State)
		require.Equal(t, job.Running, e.look(reported).State)
		require.Equal(t, job.Queued, e.look(queued).State)
		require.Equal(t, "Its worker died.", *e.attempts(taken)[0].Reason)

		due := e.relay()
		require.Len(t, due, 1)
		require.Equal(t, 1, due[0].Job.Lost, "the next worker is warned")
		e.record(started(e.run(taken), "w3"))
		n, err = e.RescueFrom(t.Context(), b, "w3")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		now := e.look(taken)
		require.Equal(t, job.Dead, now.State)
		require.Equal(t, "WORKER_LOST", *now.ErrorCode)
	})
}
