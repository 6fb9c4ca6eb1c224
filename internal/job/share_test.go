package job_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

func TestEqualWorkOfTwoUsersIsDoneOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a, b := e.ask("user_a", "x"), e.ask("user_b", "x")
		other := e.ask("user_b", "y")
		require.Equal(t, a.RunID, b.RunID)
		require.NotEqual(t, a.RunID, other.RunID)
		require.Len(t, e.outbox(), 2, "one message for each run")

		r := e.run(a)
		e.record(started(r, "w"))
		e.record(done(r, "w"))
		for _, j := range []*gen.Job{a, b} {
			require.Equal(t, job.Succeeded, e.look(j).State)
			require.Len(t, e.toy.outcomes(j.ID), 1, "each gets a result of their own")
			require.Equal(t, []string{"QUEUED", "RUNNING", "SUCCEEDED"}, statesOf(e.events(j.OwnerID, j.ID)))
			require.Len(t, e.attempts(j), 1)
		}
		require.Empty(t, e.events("user_b", a.ID), "and no event of the other's job")

		again := e.ask("user_a", "x")
		require.NotEqual(t, a.RunID, again.RunID, "work that is done is not under way")
	})
}

func TestEqualWorkInOneCallIsDoneOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		require.NoError(t, e.store.Tx(e.as("user_a"), func(ctx context.Context) error {
			made, err := e.Enqueue(ctx, []job.Request{
				e.request(jobspec.LaneBulk, "user_a", "x"), e.request(jobspec.LaneInteractive, "user_a", "x"),
			})
			require.NoError(t, err)
			require.Equal(t, made[0].RunID, made[1].RunID)
			r, err := e.store.Client(ctx).Run.Get(e.inTx(ctx), made[0].RunID)
			require.NoError(t, err)
			require.Equal(t, "interactive", r.Lane, "the lane of the most urgent")
			return nil
		}))
		require.Len(t, e.outbox(), 1)
	})
}

func TestCancellingOneOfTwoDetachesIt(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a, b := e.ask("user_a", "x"), e.ask("user_b", "x")
		r := e.run(a)
		e.record(started(r, "w"))
		_, err := e.Cancel(e.as("user_a"), a.ID)
		require.NoError(t, err)
		require.Equal(t, job.Running, e.look(b).State)
		require.NotContains(t, e.outbox(), "CANCEL "+r.ID+" 1")
		require.Equal(t, "CANCELLED", string(e.attempts(a)[0].Outcome), "for the one who left it ended there")
		require.Equal(t, "RUNNING", string(e.attempts(b)[0].Outcome))

		e.record(failed(r, "w", jobspec.CodeInternal))
		e.record(done(e.run(b), "w"))
		require.Equal(t, job.Cancelled, e.look(a).State)
		require.Equal(t, job.Succeeded, e.look(b).State)
		require.Len(t, e.attempts(a), 1, "what the run did afterwards is not the job's")
		require.Len(t, e.attempts(b), 2)
		require.Equal(t, []string{"QUEUED", "RUNNING", "CANCELLED"}, statesOf(e.events("user_a", a.ID)))
	})
}

func TestCancellingTheLastCancelsTheRun(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a, b := e.ask("user_a", "x"), e.ask("user_b", "x")
		r := e.run(a)
		for _, j := range []*gen.Job{a, b} {
			_, err := e.Cancel(e.as(j.OwnerID), j.ID)
			require.NoError(t, err)
		}
		require.Equal(t, []string{"CANCEL " + r.ID + " 1"}, e.outbox())
		require.Equal(t, "CANCELLED", string(e.run(a).State))
		require.NotEqual(t, r.ID, e.ask("user_a", "x").RunID, "nobody joins a cancelled run")
	})
}

func TestBothOwnersCancellingAtOnceCancelTheRun(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		for i := range 8 {
			work := string(rune('a' + i))
			a, b := e.ask("user_a", work), e.ask("user_b", work)
			var both sync.WaitGroup
			for _, j := range []*gen.Job{a, b} {
				both.Go(func() { _, _ = e.Cancel(e.as(j.OwnerID), j.ID) })
			}
			both.Wait()
			require.Equal(t, "CANCELLED", string(e.run(a).State), "else a worker would do what nobody wants")
		}
	})
}

func TestUrgentJobHastensTheRunThatItJoins(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x", "y")
		waiting, published := e.askIn(jobspec.LaneBulk, "user_a", "x"), e.askIn(jobspec.LaneBulk, "user_a", "y")
		require.Len(t, e.relay(), 2)
		fresh := e.askIn(jobspec.LaneBulk, "user_a", "z")

		e.ask("user_b", "y")
		require.Equal(t, "interactive", e.run(published).Lane)
		require.Equal(t, "bulk", e.run(waiting).Lane)
		due := e.relay()
		require.Len(t, due, 1, "the published one moves to the other lane")
		require.True(t, due[0].Job.Moved)
		require.Equal(t, jobspec.LaneInteractive, due[0].Job.Lane)
		require.Equal(t, 1, due[0].Job.Attempt)

		rows := len(e.outbox())
		e.ask("user_b", "z")
		require.Equal(t, "interactive", e.run(fresh).Lane)
		require.Len(t, e.outbox(), rows, "its message had not left yet")
		e.askIn(jobspec.LaneBulk, "user_c", "z")
		require.Equal(t, "interactive", e.run(fresh).Lane, "a patient job slows nobody down")
	})
}

func TestHastenMovesJobsThatWereAskedForInBulk(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.announce("w", "pool", "x")
		j := e.askIn(jobspec.LaneBulk, "user_a", "x")
		e.relay()
		require.NoError(t, e.store.Tx(e.as("user_a"), func(ctx context.Context) error { return e.Hasten(ctx, []string{j.ID}) }))
		require.Equal(t, "interactive", e.run(j).Lane)
		require.Equal(t, "interactive", e.look(j).Lane)
		require.Equal(t, j.Version, e.look(j).Version, "nobody sees lanes")
		require.Len(t, e.relay(), 1)
	})
}

func TestJobThatJoinsARunningRunIsRunning(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a := e.ask("user_a", "x")
		e.record(failed(e.run(a), "w", jobspec.CodeInternal))
		between := e.ask("user_b", "x")
		require.Equal(t, job.Queued, between.State)
		require.Equal(t, 1, between.Attempt)
		e.record(started(e.run(a), "w"))
		late := e.ask("user_c", "x")
		require.Equal(t, job.Running, late.State)
		require.Equal(t, 2, late.Attempt)
		e.record(done(e.run(a), "w"))
		for _, j := range []*gen.Job{a, between, late} {
			require.Equal(t, job.Succeeded, e.look(j).State)
			require.Equal(t, 2, e.look(j).Attempt)
			require.Len(t, e.attempts(j), 2)
		}
		require.Equal(t, []string{"RUNNING", "SUCCEEDED"}, statesOf(e.events("user_c", late.ID)))
	})
}

func TestJoiningWhileTheRunEndsLosesNoJob(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		for round := range 10 {
			work := string(rune('a' + round))
			first := e.ask("user_a", work)
			r := e.run(first)
			var both sync.WaitGroup
			joined := make([]*gen.Job, 3)
			for i := range joined {
				both.Go(func() { joined[i] = e.ask("user_b", work) })
			}
			both.Go(func() { e.record(done(r, "w")) })
			both.Wait()
			for _, j := range joined {
				now, run := e.look(j), e.run(j)
				require.Equal(t, job.Final(now.State), job.Final(job.State(run.State)), "no job hangs on a run that has ended")
			}
		}
	})
}

func TestManyAtOnceAskingForTheSameShareOneRun(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		jobs := make([]*gen.Job, 24)
		var all sync.WaitGroup
		for i := range jobs {
			all.Go(func() { jobs[i] = e.ask("user_"+string(rune('a'+i)), "x") })
		}
		all.Wait()
		for _, j := range jobs {
			require.Equal(t, jobs[0].RunID, j.RunID)
		}
		require.Len(t, e.outbox(), 1)
	})
}

func TestEnqueueNeedsATransaction(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		_, err := e.Enqueue(e.as("user_a"), []job.Request{e.request(jobspec.LaneBulk, "user_a", "x")})
		require.ErrorContains(t, err, "transaction")
		strange := e.request(jobspec.LaneBulk, "user_a", "x")
		strange.Kind = "unheard-of"
		err = e.store.Tx(e.as("user_a"), func(ctx context.Context) error {
			_, err := e.Enqueue(ctx, []job.Request{strange})
			return err
		})
		require.ErrorContains(t, err, "not registered")
		require.False(t, store.InTx(e.as("user_a")))
	})
}
