package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
)

// answering is a handler that also answers queries, with a function.
type answering struct {
	handler
	answer func(ctx context.Context, query json.RawMessage) (json.RawMessage, error)
}

func (answering) QuerySubject() string { return jobspec.QuerySubject("test", "digest") }

func (a answering) Answer(ctx context.Context, query json.RawMessage) (json.RawMessage, error) {
	return a.answer(ctx, query)
}

func echo(_ context.Context, query json.RawMessage) (json.RawMessage, error) { return query, nil }

func answerers(answer func(ctx context.Context, query json.RawMessage) (json.RawMessage, error)) []worker.Handler {
	return []worker.Handler{answering{handler{"test", done}, answer}}
}

// ask asks what the test's answerer gets.
func (b *bench) ask(within time.Duration, query any) (json.RawMessage, error) {
	ctx, end := context.WithTimeout(b.t.Context(), within)
	defer end()
	return b.bus.Ask(ctx, answering{}.QuerySubject(), query)
}

func codeOf(err error) jobspec.Code {
	var f *jobspec.Failure
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

// listening waits until a worker answers.
func (b *bench) listening() {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := b.ask(patience, 0); !errors.Is(err, jobspec.ErrNoWorker) {
			return
		}
	}
	b.t.Fatal("nobody listens")
}

func TestQuery_IsAnsweredWhileThereIsAWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ask(patience, "early")
	assert.ErrorIs(t, err, jobspec.ErrNoWorker, "nobody is there")
	w, stop := b.start(worker.Config{Handlers: answerers(echo)})
	b.listening()
	answer, err := b.ask(patience, "hello")
	require.NoError(t, err)
	assert.JSONEq(t, `"hello"`, string(answer))
	gone := w.Withdraw(answerers(echo)[0])
	receive(t, gone, "the end of the handler")
	_, err = b.ask(patience, "withdrawn")
	assert.ErrorIs(t, err, jobspec.ErrNoWorker)
	require.NoError(t, w.Serve(answerers(echo)[0]))
	b.listening()
	stop()
	_, err = b.ask(patience, "stopped")
	assert.ErrorIs(t, err, jobspec.ErrNoWorker)
	assert.Equal(t, int64(3), w.Stats().Answered)
}

func TestQuery_FailsWithACode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(worker.Config{Handlers: answerers(func(_ context.Context, query json.RawMessage) (json.RawMessage, error) {
		switch string(query) {
		case `"coded"`:
			return nil, &worker.Error{Code: jobspec.CodeInvalidInput, Message: "It is odd."}
		case `"panic"`:
			panic("at the model")
		case `"nothing"`:
			return nil, nil
		}
		return nil, errors.New("secret words")
	})})
	b.listening()
	for query, want := range map[string]jobspec.Failure{
		"coded":   {Code: jobspec.CodeInvalidInput, Message: "It is odd."},
		"panic":   {Code: jobspec.CodeInternal, Message: "The work failed for a reason on our side."},
		"nothing": {Code: jobspec.CodeInternal, Message: "The work failed for a reason on our side."},
		"other":   {Code: jobspec.CodeInternal, Message: "The work failed for a reason on our side."},
	} {
		_, err := b.ask(patience, query)
		var f *jobspec.Failure
		if assert.ErrorAs(t, err, &f, query) {
			assert.Equal(t, want, *f, query)
		}
	}
	// What is no query gets an answer all the same.
	for _, data := range []string{"", "{", "[]", `{"payload":1}`, `{"within":-1,"payload":1}`, `{"within":1e99,"payload":1}`} {
		reply, err := b.bus.Conn().Request(answering{}.QuerySubject(), []byte(data), patience)
		require.NoError(t, err, data)
		assert.Contains(t, string(reply.Data), "INVALID_INPUT", data)
	}
}

// A query that there is no room for is refused at once, and one whose time is up makes
// room.
func TestQuery_IsRefusedWhereThereIsNoRoom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	w, _ := b.start(worker.Config{Queries: 2, Handlers: answerers(func(ctx context.Context, query json.RawMessage) (json.RawMessage, error) {
		if string(query) == "0" {
			return query, nil
		}
		entered <- struct{}{}
		select {
		case <-leave:
			return query, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})})
	b.listening()
	var asked sync.WaitGroup
	asked.Go(func() {
		_, err := b.ask(patience, "stays")
		assert.NoError(t, err)
	})
	asked.Go(func() {
		_, err := b.ask(500*time.Millisecond, "gives up")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
	receive(t, entered, "the first query")
	receive(t, entered, "the second query")
	_, err := b.ask(patience, "one too many")
	assert.Equal(t, jobspec.CodeOverloaded, codeOf(err), "%v", err)
	for codeOf(err) == jobspec.CodeOverloaded {
		_, err = b.ask(patience, 0)
	}
	require.NoError(t, err, "there is room again when one gave up")
	close(leave)
	asked.Wait()
	s := w.Stats()
	assert.Positive(t, s.Refused)
	assert.Equal(t, int64(1), s.Late)
}

// A worker that stops answers what it holds, and another one gets what is asked then.
func TestQuery_StopAnswersWhatIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	_, stop := b.start(worker.Config{ID: "first", Handlers: answerers(func(_ context.Context, query json.RawMessage) (json.RawMessage, error) {
		if string(query) != "0" {
			entered <- struct{}{}
			<-leave
		}
		return json.RawMessage(`"first"`), nil
	})})
	b.listening()
	var asked, stopped sync.WaitGroup
	asked.Go(func() {
		answer, err := b.ask(patience, "held")
		assert.NoError(t, err)
		assert.JSONEq(t, `"first"`, string(answer))
	})
	receive(t, entered, "the query")
	stopped.Go(stop)
	for err := error(nil); !errors.Is(err, jobspec.ErrNoWorker); {
		_, err = b.ask(patience, 0)
	}
	b.start(worker.Config{ID: "second", Handlers: answerers(func(context.Context, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`"second"`), nil
	})})
	b.listening()
	answer, err := b.ask(patience, "next")
	require.NoError(t, err)
	assert.JSONEq(t, `"second"`, string(answer))
	close(leave)
	asked.Wait()
	stopped.Wait()
}

// Queries that never end are given up with the worker's grace.
func TestQuery_StopIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered := make(chan struct{}, 1)
	_, stop := b.start(worker.Config{Grace: 50 * time.Millisecond, Handlers: answerers(func(ctx context.Context, query json.RawMessage) (json.RawMessage, error) {
		if string(query) == "0" {
			return query, nil
		}
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})})
	b.listening()
	var asked sync.WaitGroup
	ctx, giveUp := context.WithCancel(t.Context())
	asked.Go(func() {
		_, err := b.bus.Ask(ctx, answering{}.QuerySubject(), "endless")
		assert.ErrorIs(t, err, context.Canceled)
	})
	receive(t, entered, "the query")
	stop()
	giveUp()
	asked.Wait()
}

// A worker whose connection is cut leaves its callers to their deadline, and the next
// query finds nobody at once.
func TestQuery_AWorkerVanishesWithQueriesInHand(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b, doomed := connectedTo(t, server), connect(t, server)
	entered := make(chan struct{}, 1)
	w, err := worker.New(worker.Config{Bus: doomed, Grace: time.Millisecond, Handlers: answerers(func(ctx context.Context, query json.RawMessage) (json.RawMessage, error) {
		if string(query) == "0" {
			return query, nil
		}
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})})
	require.NoError(t, err)
	background(t, w.Run)
	b.listening()
	var asked sync.WaitGroup
	asked.Go(func() {
		_, err := b.ask(time.Second, "lost")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
	receive(t, entered, "the query")
	doomed.Conn().Close()
	for err := error(nil); !errors.Is(err, jobspec.ErrNoWorker); {
		_, err = b.ask(100*time.Millisecond, 0)
	}
	asked.Wait()
}

func TestQuery_StartsAndStopsAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, err := worker.New(worker.Config{Bus: b.bus, Handlers: answerers(echo)})
	require.NoError(t, err)
	for i := range 20 {
		stop := background(t, w.Run)
		if i%2 == 0 {
			b.listening()
			var asked sync.WaitGroup
			for range 20 {
				asked.Go(func() {
					if _, err := b.ask(patience, "x"); !errors.Is(err, jobspec.ErrNoWorker) {
						assert.NoError(t, err)
					}
				})
			}
			stop()
			asked.Wait()
		}
		stop()
		_, err := b.ask(patience, "x")
		assert.ErrorIs(t, err, jobspec.ErrNoWorker)
	}
}
