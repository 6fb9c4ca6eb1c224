package worker_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
	"parley/worker"
)

const shortAckWait = 400 * time.Millisecond

// mortal is a worker that vanishes without a word when its connection is cut.
type mortal struct {
	bus  *natsx.Bus
	work *blocking
}

func (b *bench) mortal(server *testkit.NATSServer, id string) mortal {
	b.t.Helper()
	m := mortal{connect(b.t, server), newBlocking()}
	w, err := worker.New(worker.Config{ID: id, Bus: m.bus, AckWait: shortAckWait, Grace: time.Millisecond, Slots: 4, Handlers: handlers(m.work.do)})
	require.NoError(b.t, err)
	background(b.t, w.Run)
	return m
}

func (m mortal) die() { m.bus.Conn().Close() }

// end waits for the last word on a run.
func (b *bench) end(run string) jobspec.Result {
	b.t.Helper()
	for {
		if r := b.next(); r.Run == run && (r.Type == jobspec.ResultDone || r.Type == jobspec.ResultFailed) {
			return r
		}
	}
}

func TestWorker_AJobThatTookDownTwoWorkersIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b := connectedTo(t, server)
	first := b.mortal(server, "first")
	b.publish(job("poison"))
	receive(t, first.work.entered, "the first start")
	first.die()
	second := b.mortal(server, "second")
	assert.True(t, receive(t, second.work.entered, "the second start").Alone)
	custody, err := b.bus.Custody(t.Context(), "poison")
	require.NoError(t, err)
	assert.Equal(t, []string{"second"}, custody.Workers)
	second.die()
	third := b.mortal(server, "third")
	r := b.end("poison")
	require.NotNil(t, r.Failure)
	assert.Equal(t, jobspec.Failure{Code: jobspec.CodeWorkerLost, Message: "It took down 2 workers."}, *r.Failure)
	assert.Equal(t, "third", r.Worker)
	assert.Empty(t, third.work.entered, "a third worker began it")
	b.drained()
	require.Eventually(t, func() bool {
		c, err := b.bus.Custody(t.Context(), "poison")
		return err == nil && len(c.Workers) == 0
	}, patience, 5*time.Millisecond)
}

// Of what a worker held when it died, one at a time runs until it is known what is to
// blame; the others are well.
func TestWorker_WhatWasBesideAPoisonLives(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b := connectedTo(t, server)
	first := b.mortal(server, "first")
	b.publish(job("a"), job("b"), job("c"))
	for range 3 {
		receive(t, first.work.entered, "the first start")
	}
	first.die()
	second := b.mortal(server, "second")
	poison := receive(t, second.work.entered, "the second start").Run
	fresh := job("fresh")
	b.publish(fresh)
	assert.Equal(t, "fresh", receive(t, second.work.entered, "work without suspicion").Run, "two under suspicion ran beside each other")
	second.die()
	third := b.mortal(server, "third")
	close(third.work.leave)
	ends := map[string]jobspec.ResultType{}
	for range 4 {
		var r jobspec.Result
		for r = b.next(); r.Type == jobspec.ResultStarted; r = b.next() {
		}
		ends[r.Run] = r.Type
	}
	want := map[string]jobspec.ResultType{"a": jobspec.ResultDone, "b": jobspec.ResultDone, "c": jobspec.ResultDone, "fresh": jobspec.ResultDone}
	want[poison] = jobspec.ResultFailed
	assert.Equal(t, want, ends)
	b.drained()
}

func TestWorker_WorkThatIsGivenBackIsUnderNoSuspicion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(job("run1"))
	for range 4 {
		h := newBlocking()
		_, stop := b.start(worker.Config{Grace: time.Millisecond, Handlers: handlers(h.do)})
		assert.False(t, receive(t, h.entered, "the start").Alone)
		stop()
	}
	h := newBlocking()
	close(h.leave)
	b.start(worker.Config{Handlers: handlers(h.do)})
	assert.Equal(t, jobspec.ResultDone, b.end("run1").Type)
}

func TestWorker_KnowsWhatEarlierAttemptsTookDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen := make(chan worker.Task, 9)
	b.start(worker.Config{Handlers: handlers(func(_ context.Context, task worker.Task, _ func(float64, string)) (json.RawMessage, error) {
		seen <- task
		return json.RawMessage(`{}`), nil
	})})
	once, twice := job("once"), job("twice")
	once.Attempt, once.Lost = 2, 1
	twice.Attempt, twice.Lost = 3, 2
	b.publish(once)
	assert.True(t, receive(t, seen, "the task").Alone)
	assert.Equal(t, jobspec.ResultDone, b.end("once").Type)
	strange := job("strange")
	strange.Attempt, strange.Lost = 2, 1
	kv, err := b.bus.JetStream().KeyValue(t.Context(), jobspec.BucketRecords)
	require.NoError(t, err)
	_, err = kv.PutString(t.Context(), "strange.custody", "no JSON")
	require.NoError(t, err)
	b.publish(strange)
	assert.True(t, receive(t, seen, "the task").Alone)
	assert.Equal(t, jobspec.ResultDone, b.end("strange").Type)
	b.publish(twice)
	r := b.end("twice")
	require.NotNil(t, r.Failure)
	assert.Equal(t, jobspec.CodeWorkerLost, r.Failure.Code)
	assert.Empty(t, seen)
}

// The next attempt may come to the worker that still has the one before, or while another
// still has that: nobody of them is lost.
func TestWorker_AnAttemptThatOvertakesAnotherIsNotToBlame(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b := connectedTo(t, server)
	first := b.mortal(server, "first")
	b.publish(job("run1"))
	receive(t, first.work.entered, "the first start")
	first.die()
	h := newBlocking()
	b.start(worker.Config{ID: "heir", AckWait: shortAckWait, Handlers: handlers(h.do)})
	assert.True(t, receive(t, h.entered, "the second start").Alone)
	_, err := b.bus.PurgeRun(t.Context(), jobspec.JobRunFilter("run1"))
	require.NoError(t, err)
	next := job("run1")
	next.Attempt, next.Lost = 2, 1
	b.publish(next)
	assert.Equal(t, 2, receive(t, h.entered, "the next attempt").Attempt)
	close(h.leave)
	r := b.end("run1")
	assert.Equal(t, jobspec.ResultDone, r.Type)
	assert.Equal(t, 2, r.Attempt)
}

// A worker that stops says so before it hands back what is under suspicion.
func TestWorker_SuspectsThatAreGivenBackAreNotCounted(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b := connectedTo(t, server)
	first := b.mortal(server, "first")
	b.publish(job("run1"))
	receive(t, first.work.entered, "the first start")
	first.die()
	for range 3 {
		h := newBlocking()
		_, stop := b.start(worker.Config{AckWait: shortAckWait, Grace: time.Millisecond, Handlers: handlers(h.do)})
		assert.True(t, receive(t, h.entered, "the start").Alone)
		stop()
	}
	h := newBlocking()
	close(h.leave)
	b.start(worker.Config{AckWait: shortAckWait, Handlers: handlers(h.do)})
	assert.Equal(t, jobspec.ResultDone, b.end("run1").Type)
}
