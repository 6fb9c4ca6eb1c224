package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
)

// recorded gives what is kept of a run, "" for nothing.
func (b *bench) recorded(run string) string {
	b.t.Helper()
	r, ok, err := b.bus.Record(b.t.Context(), run)
	require.NoError(b.t, err)
	if !ok {
		return ""
	}
	return string(r.Data)
}

// forgotten waits until nothing is kept of a run: it is dropped after the last answer
// to its message.
func (b *bench) forgotten(run string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.recorded(run) == "" }, patience, 5*time.Millisecond)
}

func (b *bench) words(run string) func() jobspec.Progress {
	b.t.Helper()
	sub, err := b.bus.Conn().SubscribeSync(jobspec.ProgressSubject(run))
	require.NoError(b.t, err)
	return func() jobspec.Progress {
		b.t.Helper()
		var m *nats.Msg
		m, err = sub.NextMsg(patience)
		require.NoError(b.t, err)
		var p jobspec.Progress
		require.NoError(b.t, json.Unmarshal(m.Data, &p))
		return p
	}
}

// keeping is a handler that keeps "1", tells "one" and goes on when it is let go.
func keeping(seen chan<- worker.Task, leave <-chan error) []worker.Handler {
	return handlers(func(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
		seen <- t
		t.Keep([]int{1})
		progress(0.5, "one")
		select {
		case err := <-leave:
			return json.RawMessage(`{}`), err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

func TestWorker_TellsOnlyWhatAnotherCanGoOnFrom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	word := b.words("run1")
	seen, leave := make(chan worker.Task, 9), make(chan error)
	b.start(worker.Config{Handlers: keeping(seen, leave)})
	b.publish(job("run1"))
	assert.Nil(t, receive(t, seen, "the task").Recorded)
	assert.Equal(t, jobspec.Progress{Run: "run1", Attempt: 1, Progress: 0.5, Partial: "one"}, word())
	assert.Equal(t, "[1]", b.recorded("run1"), "it was told before it was kept")
	leave <- nil
	b.expect("run1", jobspec.ResultStarted, jobspec.ResultDone)
	b.forgotten("run1")
}

// The same attempt after its worker vanished, and the next attempt after a fault, begin
// with what the one before kept.
func TestWorker_GoesOnFromWhatAnAttemptKept(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b, doomed := connectedTo(t, server), connect(t, server)
	const ackWait = 500 * time.Millisecond
	word := b.words("run1")
	seen, leave := make(chan worker.Task, 9), make(chan error)
	lost, err := worker.New(worker.Config{ID: "lost", Bus: doomed, AckWait: ackWait, Grace: time.Millisecond, Handlers: keeping(seen, make(chan error))})
	require.NoError(t, err)
	background(t, lost.Run)
	b.publish(job("run1"))
	receive(t, seen, "the first start")
	word()
	doomed.Conn().Close()
	b.start(worker.Config{ID: "heir", AckWait: ackWait, Handlers: keeping(seen, leave)})
	task := receive(t, seen, "the second start")
	assert.Equal(t, "[1]", string(task.Recorded))
	assert.Equal(t, 1, task.Attempt)
	leave <- errors.New("a fault that may pass")
	for r := b.next(); r.Type != jobspec.ResultFailed; r = b.next() {
	}
	again := job("run1")
	again.Attempt = 2
	b.drained()
	b.publish(again)
	assert.Equal(t, "[1]", string(receive(t, seen, "the second attempt").Recorded))
	leave <- invalidInput{}
	b.expect("run1", jobspec.ResultStarted, jobspec.ResultFailed)
	b.forgotten("run1")
}

func TestWorker_ForgetsWhatACancelledRunKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	word := b.words("run1")
	seen, leave := make(chan worker.Task, 9), make(chan error)
	b.start(worker.Config{Handlers: keeping(seen, leave)})
	b.publish(job("run1"))
	word()
	require.NoError(t, b.bus.CancelRun(t.Context(), "run1"))
	b.forgotten("run1")
}

func TestWorker_BeginsAnewWhereNothingFits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen, leave := make(chan worker.Task, 9), make(chan error)
	b.start(worker.Config{Handlers: keeping(seen, leave)})
	kv, err := b.bus.JetStream().KeyValue(t.Context(), jobspec.BucketRecords)
	require.NoError(t, err)
	for run, data := range map[string]string{
		"nothing":   "",
		"no-record": "no JSON",
		"kind":      `{"kind":"draw","pool":"test","data":[1]}`,
		"pool":      `{"kind":"translate","pool":"other","data":[1]}`,
	} {
		if data != "" {
			_, err := kv.PutString(t.Context(), run, data)
			require.NoError(t, err)
		}
		second := job(run)
		second.Attempt = 2
		b.publish(second)
		assert.Nil(t, receive(t, seen, "the task").Recorded, run)
		leave <- nil
		b.expect(run, jobspec.ResultStarted, jobspec.ResultDone)
	}
}

// What is too large for NATS is not kept, and the work goes on.
func TestWorker_GoesOnWithoutARecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	word := b.words("run1")
	b.start(worker.Config{Handlers: handlers(func(_ context.Context, task worker.Task, progress func(float64, string)) (json.RawMessage, error) {
		task.Keep(make([]byte, 70<<20))
		progress(0.5, "one")
		assert.Equal(t, "one", word().Partial)
		task.Keep(func() {})
		progress(0.6, "two")
		assert.Equal(t, "two", word().Partial)
		return json.RawMessage(`{}`), nil
	})})
	b.publish(job("run1"))
	b.expect("run1", jobspec.ResultStarted, jobspec.ResultDone)
	assert.Empty(t, b.recorded("run1"))
}

// Most work is short: it must not pay for what only long work needs.
func TestWorker_WhatEndsAtOnceIsNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	calls, err := b.bus.Conn().SubscribeSync("$KV." + jobspec.BucketRecords + ".>")
	require.NoError(t, err)
	purges, err := b.bus.Conn().SubscribeSync("$JS.API.STREAM.PURGE.KV_" + jobspec.BucketRecords)
	require.NoError(t, err)
	b.start(worker.Config{Handlers: handlers(func(_ context.Context, task worker.Task, progress func(float64, string)) (json.RawMessage, error) {
		task.Keep([]int{1})
		progress(0.5, "one")
		return json.RawMessage(`{}`), nil
	})})
	b.publish(job("run1"), job("run2"))
	for range 4 {
		b.next()
	}
	b.drained()
	b.bus.Flush()
	for _, s := range []*nats.Subscription{calls, purges} {
		n, _, err := s.Pending()
		require.NoError(t, err)
		assert.Zero(t, n)
	}
}
