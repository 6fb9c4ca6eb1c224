package worker_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/worker"
)

// pooled is a job of a pool.
func pooled(run, pool string) jobspec.Job {
	j := job(run)
	j.Pool = pool
	return j
}

func done(context.Context, worker.Task, func(float64, string)) (json.RawMessage, error) {
	return json.RawMessage(`{}`), nil
}

func TestServe_AWorkerBeginsWithNothingAndTakesWhatComes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, _ := b.start(worker.Config{})
	b.publish(pooled("early", "late"))
	require.NoError(t, w.Serve(handler{"late", done}))
	b.expect("early", jobspec.ResultStarted, jobspec.ResultDone)
	assert.ErrorContains(t, w.Serve(handler{"late", done}), "both serve")
	assert.ErrorContains(t, w.Serve(handler{"a.b", done}), "is no name")
}

// What runs goes on, what waits stays for others, and the same queue may come back.
func TestWithdraw_LeavesWhatRunsToItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, other := newBlocking(), newBlocking()
	w, _ := b.start(worker.Config{Slots: 2, Handlers: []worker.Handler{handler{"test", first.do}, handler{"other", other.do}}})
	b.publish(pooled("one", "test"))
	receive(t, first.entered, "the task")
	b.expect("one", jobspec.ResultStarted)
	gone := w.Withdraw(handler{"test", nil})
	b.publish(pooled("two", "test"), pooled("three", "other"))
	assert.Equal(t, "three", receive(t, other.entered, "work of the other").Run)
	b.expect("three", jobspec.ResultStarted)
	select {
	case <-gone:
		t.Error("it is gone while a task runs")
	default:
	}
	first.leave <- struct{}{}
	b.expect("one", jobspec.ResultDone)
	receive(t, gone, "the end of the handler")
	require.Empty(t, first.entered, "a withdrawn handler was given work")
	require.NoError(t, w.Serve(handler{"test", done}))
	b.expect("two", jobspec.ResultStarted, jobspec.ResultDone)
	other.leave <- struct{}{}
	b.expect("three", jobspec.ResultDone)
	b.drained()
	receive(t, w.Withdraw(handler{"never", nil}), "a handler that was never there")
}

// living is a handler with a service of its own.
type living struct {
	handler
	began, ended chan struct{}
}

func (l living) Run(ctx context.Context) error {
	close(l.began)
	<-ctx.Done()
	close(l.ended)
	return nil
}

func TestWithdraw_EndsTheHandlersOwnService(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, _ := b.start(worker.Config{})
	l := living{handler{"test", done}, make(chan struct{}), make(chan struct{})}
	require.NoError(t, w.Serve(l))
	receive(t, l.began, "the service")
	b.publish(pooled("one", "test"))
	b.expect("one", jobspec.ResultStarted, jobspec.ResultDone)
	receive(t, w.Withdraw(l), "the end of the handler")
	receive(t, l.ended, "the end of the service")
	require.NoError(t, w.Serve(handler{"test", done}), "the worker lives on")
	b.publish(pooled("two", "test"))
	b.expect("two", jobspec.ResultStarted, jobspec.ResultDone)
}

func TestAnnounce_FollowsTheHandlers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, _ := b.start(worker.Config{Folder: func() *jobspec.Folder { return &jobspec.Folder{ID: "f"} }})
	require.NoError(t, w.Serve(handler{"late", done}))
	sub, err := b.bus.Conn().SubscribeSync(jobspec.SubjectAnnounce)
	require.NoError(t, err)
	w.Announce()
	m, err := sub.NextMsg(patience)
	require.NoError(t, err)
	var a jobspec.Announcement
	require.NoError(t, json.Unmarshal(m.Data, &a))
	require.Len(t, a.Bundles, 1)
	assert.Equal(t, "late", a.Bundles[0].Pool)
	assert.Equal(t, "f", a.Folder.ID)
}
