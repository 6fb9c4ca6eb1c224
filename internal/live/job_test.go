package live_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/live"
)

func (h *house) follow(ctx context.Context, j *gen.Job) <-chan *live.JobUpdate {
	h.t.Helper()
	updates, err := h.streams.Job(ctx, j.ID)
	require.NoError(h.t, err)
	return updates
}

func TestJobStreamGivesTheStateEveryChangeAndEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		j := h.ask("one")
		updates := h.follow(as(t, owner), j)
		u := next(t, updates)
		require.Equal(t, job.Queued, u.Job.State)
		require.Equal(t, int64(1), u.Version)
		require.Equal(t, h.log.Epoch(), u.Cursor.Epoch)
		h.start(j)
		u = next(t, updates)
		require.Equal(t, job.Running, u.Job.State)
		require.Equal(t, int64(2), u.Version)
		first := u.Cursor.Position
		h.report(j, jobspec.ResultFailed, jobspec.CodeInternal)
		u = next(t, updates)
		require.Equal(t, job.Queued, u.Job.State)
		require.Greater(t, u.Cursor.Position, first)
		h.start(j)
		require.Equal(t, job.Running, next(t, updates).Job.State)
		h.finish(j)
		u = next(t, updates)
		require.Equal(t, job.Succeeded, u.Job.State)
		ends(t, updates)
		require.Zero(t, h.hub.Subscriptions(), "a stream leaves the hub before it ends")
	})
}

func TestJobStreamAfterTheEndGivesItAndEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		j := h.ask("one")
		h.finish(j)
		h.run()
		updates := h.follow(as(t, owner), j)
		require.Equal(t, job.Succeeded, next(t, updates).Job.State)
		ends(t, updates)
	})
}

func TestJobThatEndsWhileSomebodySubscribesIsNotMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		for i := range 15 {
			j := h.ask(fmt.Sprint(i))
			var both sync.WaitGroup
			both.Go(func() { h.finish(j) })
			updates := h.follow(as(t, owner), j)
			last := next(t, updates)
			for !job.Final(last.Job.State) {
				last = next(t, updates)
			}
			require.Equal(t, job.Succeeded, last.Job.State)
			ends(t, updates)
			both.Wait()
		}
	})
}

func TestJobStreamShowsProgressOfItsAttemptOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		j := h.ask("one")
		updates := h.follow(as(t, owner), j)
		next(t, updates)
		run := h.runOf(j).ID
		h.progress(run, 1, 0.1, "too early: nobody knows that it runs")
		h.start(j)
		u := next(t, updates)
		require.Equal(t, job.Running, u.Job.State)
		h.progress(run, 1, 0.3, "too early: nobody knows that it runs. Now")
		for u = next(t, updates); u.PartialText == nil || len(*u.PartialText) < 40; u = next(t, updates) {
			require.Equal(t, int64(2), u.Version, "progress belongs to the state it is of")
		}
		grown := *u.PartialText
		h.progress(run, 1, 0.2, "short")
		h.progress(run, 2, 0.9, "of an attempt that nobody knows of")
		h.report(j, jobspec.ResultFailed, jobspec.CodeInternal)
		// The same progress may come again, with the state and by itself.
		for u = next(t, updates); u.Version == 2; u = next(t, updates) {
			require.Equal(t, grown, *u.PartialText)
		}
		require.Equal(t, job.Queued, u.Job.State)
		// The hub may have heard of the next attempt's text, which is not shown yet.
		require.True(t, u.PartialText == nil || *u.PartialText == grown)
		h.start(j)
		for u.Job.Attempt < 2 {
			u = next(t, updates)
		}
		for u.PartialText == nil || *u.PartialText == grown { // now the attempt is known, and so its progress comes
			u = next(t, updates)
		}
		require.Equal(t, "of an attempt that nobody knows of", *u.PartialText)
		h.finish(j)
		u = next(t, updates)
		require.Equal(t, job.Succeeded, u.Job.State)
		require.Nil(t, u.PartialText)
		ends(t, updates)
	})
}

func TestJobStreamKeepsTheTextBetweenAttempts(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		j := h.ask("one")
		h.start(j)
		run := h.runOf(j).ID
		w := h.watch(run)
		h.progress(run, 1, 0.4, "so far")
		h.hears(w, run, "so far")
		updates := h.follow(as(t, owner), j)
		require.Equal(t, "so far", *next(t, updates).PartialText)
		h.report(j, jobspec.ResultFailed, jobspec.CodeInternal)
		u := next(t, updates)
		for u.Job.State == job.Running {
			u = next(t, updates)
		}
		require.Equal(t, job.Queued, u.Job.State)
		require.Equal(t, "so far", *u.PartialText)
		h.start(j)
		for u.Job.State == job.Queued {
			u = next(t, updates)
		}
		require.Equal(t, "so far", *u.PartialText)
		h.progress(run, 2, 0.2, "so")
		h.progress(run, 2, 0.6, "so far so good")
		for *u.PartialText != "so far so good" {
			require.Equal(t, "so far", *u.PartialText, "nothing is said twice")
			u = next(t, updates)
		}
	})
}

func TestJobStreamBeginsWithTheProgressSoFar(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		j := h.ask("one")
		h.start(j)
		run := h.runOf(j).ID
		w := h.watch(run)
		h.progress(run, 1, 0.4, "so far")
		h.hears(w, run, "so far")
		u := next(t, h.follow(as(t, owner), j))
		require.Equal(t, "so far", *u.PartialText)
	})
}

func TestJobStreamFollowsARetryToItsNewRun(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		j := h.ask("one")
		_, err := h.jobs.Cancel(as(t, owner), j.ID)
		require.NoError(t, err)
		_, err = h.jobs.Retry(as(t, owner), j.ID)
		require.NoError(t, err)
		updates := h.follow(as(t, owner), j)
		require.Equal(t, job.Queued, next(t, updates).Job.State)
		h.start(j)
		require.Equal(t, job.Running, next(t, updates).Job.State)
		h.progress(h.runOf(j).ID, 1, 0.4, "of the new run")
		require.Equal(t, "of the new run", *next(t, updates).PartialText)
		h.finish(j)
		require.Equal(t, job.Succeeded, next(t, updates).Job.State)
		ends(t, updates)
	})
}

func TestJobStreamIsForItsOwnerAndAdmins(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		j := h.ask("one")
		_, err := h.streams.Job(as(t, "user_b"), j.ID)
		notFound(t, err)
		_, err = h.streams.Job(t.Context(), j.ID)
		require.Error(t, err)
		_, err = h.streams.Job(as(t, owner), "no id")
		require.Error(t, err)
		require.Zero(t, h.hub.Subscriptions(), "who is refused leaves nothing behind")
		require.Equal(t, j.ID, next(t, h.follow(asAdmin(t), j)).Job.ID)
	})
}

func TestManyFollowAJobAndOneStuckReaderSlowsNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		j := h.ask("one")
		stuck := h.follow(as(t, owner), j) // nobody reads this one for now
		all := make([]<-chan *live.JobUpdate, 30)
		for i := range all {
			all[i] = h.follow(as(t, owner), j)
			next(t, all[i])
		}
		h.start(j)
		for i := range 200 {
			h.progress(h.runOf(j).ID, 1, float64(i)/200, fmt.Sprintf("%0*d", i+1, 0))
			if i > 5 {
				break
			}
		}
		h.finish(j)
		for _, updates := range all {
			last := next(t, updates)
			for !job.Final(last.Job.State) {
				last = next(t, updates)
			}
			ends(t, updates)
		}
		require.Equal(t, job.Queued, next(t, stuck).Job.State)
		last := next(t, stuck)
		for !job.Final(last.Job.State) {
			last = next(t, stuck)
		}
		ends(t, stuck)
	})
}

func TestStreamEndsWithItsContext(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		j := h.ask("one")
		ctx, cancel := context.WithCancel(as(t, owner))
		updates := h.follow(ctx, j)
		next(t, updates)
		cancel()
		ends(t, updates)
		events, err := h.streams.Events(ctx, nil, nil)
		if err == nil {
			ends(t, events)
		}
		require.Zero(t, h.hub.Subscriptions(), "a stream leaves the hub before it ends")
	})
}
