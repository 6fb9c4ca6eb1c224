package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/note"
	"parley/worker"
)

func TestJobsAreDoneEndToEnd(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.run()
		p.works(p.bus, p.noop())
		p.eventually("the worker is known", func() bool { w, err := p.workers.Workers(t.Context()); return err == nil && len(w) == 1 })
		jobs := append(p.ask("one", "es", "fr", "de"), p.ask("two", "es")...)
		for i, j := range jobs {
			p.until(j, job.Succeeded)
			require.Equal(t, []string{"ONE", "ONE", "ONE", "TWO"}[i], p.text(j))
			require.Equal(t, []string{"1 SUCCEEDED"}, p.tries(j))
		}
		p.eventually("the queue is empty", func() bool { return !p.queued(jobs[0]) && !p.queued(jobs[3]) })
	})
}

func TestJobWaitsForAWorkerAndGoesOnWhenOneComes(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.run()
		j := p.ask("one", "es")[0]
		waiting, err := p.jobs.WaitingOf(as(t, owner), []*gen.Job{j})
		require.NoError(t, err)
		require.True(t, waiting[j.ID])
		p.works(p.bus, p.noop())
		p.until(j, job.Succeeded)
		_, _, err = p.notes.Translate(as(t, owner), note.TranslateNoteInput{NoteID: p.note("x").ID, Languages: []string{"ja"}})
		require.True(t, apperr.Is(err, apperr.UnsupportedLanguage), "now that one has announced itself")
	})
}

func TestFailingWorkComesBackUntilItSucceeds(t *testing.T) {
	onBoth(t, quick(), func(t *testing.T, p *plant) {
		var tried atomic.Int64
		p.run()
		p.works(p.bus, p.scripted(func(context.Context, worker.Task, func(float64, string)) error {
			if tried.Add(1) < 3 {
				return &worker.Error{Code: jobspec.CodeModelBroken, Message: "Not today."}
			}
			return nil
		}))
		j := p.ask("one", "es")[0]
		now := p.until(j, job.Succeeded, job.Dead)
		require.Equal(t, job.Succeeded, now.State)
		require.Equal(t, []string{"1 FAILED Not today.", "2 FAILED Not today.", "3 SUCCEEDED"}, p.tries(j))
	})
}

func TestWorkThatNeverSucceedsEnds(t *testing.T) {
	onBoth(t, quick(), func(t *testing.T, p *plant) {
		p.run()
		p.works(p.bus, p.scripted(func(_ context.Context, task worker.Task, _ func(float64, string)) error {
			if bytes.Contains(task.Payload, []byte(`"bad"`)) {
				return &worker.Error{Code: jobspec.CodeInvalidInput, Message: "Bad."}
			}
			return errors.New("never")
		}))
		never, bad := p.ask("never", "es")[0], p.ask("bad", "es")[0]
		require.Equal(t, job.Failed, p.until(bad, job.Failed, job.Dead).State)
		require.Equal(t, []string{"1 FAILED Bad."}, p.tries(bad))
		require.Equal(t, job.Dead, p.until(never, job.Failed, job.Dead).State)
		require.Len(t, p.tries(never), 4)
	})
}

func TestQueuedJobIsTakenOutOfTheQueueWhenCancelled(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		stop := p.works(p.bus, p.noop())
		p.run()
		p.eventually("the worker is known", func() bool { w, err := p.workers.Workers(t.Context()); return err == nil && len(w) == 1 })
		stop()
		j := p.ask("one", "es")[0]
		p.eventually("it is queued", func() bool { return p.queued(j) })
		_, err := p.jobs.Cancel(as(t, owner), j.ID)
		require.NoError(t, err)
		p.eventually("it is taken out", func() bool { return !p.queued(j) })
		require.Equal(t, job.Cancelled, p.look(j).State)
	})
}

func TestRunningJobStopsWhenCancelled(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		begun, ended := make(chan string, 2), make(chan error, 2)
		p.run()
		p.works(p.bus, p.scripted(func(ctx context.Context, task worker.Task, _ func(float64, string)) error {
			begun <- task.Run
			select {
			case <-ctx.Done():
				ended <- context.Cause(ctx)
				return ctx.Err()
			case <-time.After(patience):
				ended <- nil
				return nil
			}
		}))
		j := p.ask("one", "es")[0]
		require.Equal(t, p.look(j).RunID, receive(t, begun))
		p.until(j, job.Running)
		_, err := p.jobs.Cancel(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Error(t, receive(t, ended), "the work's context ends")
		require.Equal(t, job.Cancelled, p.look(j).State)

		again, err := p.jobs.Retry(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Equal(t, again.RunID, receive(t, begun), "a retry is another run, which the cancellation does not touch")
		_, err = p.jobs.Cancel(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Error(t, receive(t, ended))
	})
}

func TestDeletingANoteStopsItsWork(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		begun, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		p.run()
		p.works(p.bus, p.scripted(func(ctx context.Context, _ worker.Task, _ func(float64, string)) error {
			begun <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return ctx.Err()
		}))
		n := p.note("one")
		jobs, _, err := p.notes.Translate(as(t, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"es"}})
		require.NoError(t, err)
		receive(t, begun)
		_, err = p.notes.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		receive(t, ended)
		require.Equal(t, job.Cancelled, p.look(jobs[0]).State)
		_, err = p.notes.Get(as(t, owner), n.ID)
		require.True(t, notFound(err))
	})
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
