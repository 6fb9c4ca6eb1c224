package job_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/dispatch"
	"parley/internal/job"
)

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
		e.announce("w", "pool", "x", "y")
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

func dispatchesOf(all []dispatch.Item, j *gen.Job) (some []dispatch.Item) {
	for _, d := range all {
		if d.Job.Run == j.RunID {
			some = append(some, d)
		}
	}
	return some
}
