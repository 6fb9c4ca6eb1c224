package lasting_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/event"
	"parley/internal/server/lasting"
)

func TestAnOperationIsAnsweredAndItsEndToldOnce(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]string{
		"{ hello }":              {"started query", `next "world"`, "complete", "ended query false", "returned true"},
		"{ nothing }":            {"started query", "complete", "ended query false", "returned true"},
		"subscription { count }": {"started subscription", "next 1", "next 2", "complete", "ended subscription false", "returned true"},
		"subscription { breaks }": {
			"started subscription", "next 1", "next 2", "errors broken", "ended subscription true", "returned true",
		},
		"{ nope }": {"refused", `errors Cannot query field "nope" on type "Query".`, "returned true"},
	} {
		r := setup(t)
		o := r.ask(t, t.Context(), "1", query)
		r.hears(t, want...)
		require.False(t, r.Live(o))
		require.Zero(t, r.Answering())
	}
}

func TestAnOperationMayBeValidatedBeforeItStarts(t *testing.T) {
	t.Parallel()
	r := setup(t)
	o := operation("1", "{ hello }")
	require.NoError(t, r.Admit(o, 1000))
	rc, errs := o.Validate(t.Context())
	require.Empty(t, errs)
	require.Equal(t, "{ hello }", rc.RawQuery)
	require.NotNil(t, o.Params, "another process may still need it")
	require.True(t, r.Start(t.Context(), o))
	r.hears(t, "started query", `next "world"`, "complete", "ended query false", "returned true")
	require.Nil(t, o.Params)

	o = operation("2", "{ nope }")
	require.NoError(t, r.Admit(o, 1000))
	_, errs = o.Validate(t.Context())
	require.Equal(t, errs, o.Shown())
	require.True(t, r.Start(t.Context(), o))
	r.hears(t, "refused", `errors Cannot query field "nope" on type "Query".`, "returned true")
}

func TestAPanicEndsItsOperationWithAnError(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"query", "subscription"} {
		r := setup(t)
		r.ask(t, t.Context(), "1", kind+" { panics }")
		r.hears(t, "started "+kind, "errors recovered", "ended "+kind+" true", "returned true")
	}

	r := setup(t)
	r.exec.Use(mutator(func() { panic("on purpose") }))
	r.ask(t, t.Context(), "1", "{ hello }")
	r.hears(t, "errors sorry", "returned true")

	r = setup(t)
	r.exec.SetErrorPresenter(func(context.Context, error) *gqlerror.Error { panic("on purpose") })
	r.ask(t, t.Context(), "1", "{ panics }")
	r.hears(t, "started query", "errors sorry", "ended query true", "returned true")

	r = setup(t)
	r.Started = func(string) { panic("on purpose") }
	r.Ended = func(string, time.Duration, bool) { panic("on purpose") }
	r.ask(t, t.Context(), "1", "{ hello }")
	r.hears(t, `next "world"`, "complete", "returned true")
}

// mutator runs before an operation is read.
type mutator func()

func (mutator) ExtensionName() string                   { return "mutator" }
func (mutator) Validate(graphql.ExecutableSchema) error { return nil }

func (m mutator) MutateOperationParameters(context.Context, *graphql.RawParams) *gqlerror.Error {
	m()
	return nil
}

func TestNothingIsExecutedForASinkThatHasEnded(t *testing.T) {
	t.Parallel()
	r := setup(t)
	sent := 0
	r.send = func() error {
		if sent++; sent == 2 {
			for _, o := range r.All() {
				r.Drop(o)
			}
			return fmt.Errorf("socket: %w", lasting.ErrEnded)
		}
		return nil
	}
	r.ask(t, t.Context(), "1", "subscription { count }")
	r.hears(t, "started subscription", "next 1", "ended subscription false", "returned false")
}

func TestAResponseThatCanNotBeEncodedEndsItsOperation(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.send = func() error { return errors.New("no JSON") }
	r.ask(t, t.Context(), "1", "subscription { count }")
	r.hears(t, "started subscription", "errors no JSON", "ended subscription true", "returned true")
}

func TestAQueryWhoseTimeIsUpSaysSo(t *testing.T) {
	t.Parallel()
	r := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.ask(t, ctx, "1", "{ nothing }")
	r.hears(t, "started query", "errors context canceled", "ended query true", "returned true")
}

func TestWhatTheClientHasEndedIsOverAndNotTold(t *testing.T) {
	t.Parallel()
	r := setup(t)
	o := r.ask(t, t.Context(), "1", "subscription { waits }")
	receive(t, r.entered)
	require.True(t, r.Taken("1"))
	r.Dismiss("1")
	r.Dismiss("1")
	require.False(t, r.Taken("1"))
	require.True(t, o.Dismissed())
	close(r.release)
	r.hears(t, "started subscription", "ended subscription false", "returned true")

	waiting := operation("2", "{ hello }")
	require.NoError(t, r.Admit(waiting, 1000))
	r.Dismiss("2")
	require.False(t, r.Start(t.Context(), waiting))
	r.hears(t)
}

func TestOperationsAndTheirBytesAreBounded(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.MaxOperations = 2
	for _, id := range []string{"1", "2"} {
		r.ask(t, t.Context(), id, "subscription { waits }")
		receive(t, r.entered)
	}
	require.ErrorIs(t, r.Admit(operation("1", "{ hello }"), 1000), lasting.ErrTaken)
	require.ErrorIs(t, r.Admit(operation("3", "{ hello }"), 1000), lasting.ErrFull)
	r.Dismiss("1")
	require.ErrorIs(t, r.Admit(operation("3", "{ hello }"), 25), lasting.ErrFull)
	third := operation("3", "{ hello }")
	require.NoError(t, r.Admit(third, 1000))
	require.True(t, r.Drop(third))
	require.False(t, r.Drop(third))
	r.Dismiss("2")
	for _, id := range []string{"1", "2"} { // beside two that do not return
		r.ask(t, t.Context(), id, "subscription { waits }")
		receive(t, r.entered)
	}
	r.Dismiss("1")
	require.ErrorIs(t, r.Admit(operation("1", "{ hello }"), 1000), lasting.ErrFull)
	close(r.release)
	said := map[string]int{}
	for range 13 {
		said[receive(t, r.told)]++
	}
	require.Equal(t, map[string]int{
		"started subscription": 4, "ended subscription false": 4, "returned true": 4, "complete": 1,
	}, said)
}

// Idle, a stream that announces its messages has no goroutine; not parallel, since
// it counts those of the process.
func TestAnAnnouncedStreamHasAGoroutineOnlyWhileThereIsAMessage(t *testing.T) {
	r := setup(t)
	before := runtime.NumGoroutine()
	const streams = 100
	// The runtime tells nobody when a goroutine ends.
	idle := func() bool { return runtime.NumGoroutine() < before+streams/20 } // Eventually has its own
	var all []*stream
	for i := range streams {
		r.ask(t, t.Context(), fmt.Sprint(i), "subscription { announced }")
		require.Equal(t, "started subscription", receive(t, r.told))
		all = append(all, receive(t, r.streams))
	}
	require.Eventually(t, idle, patience, time.Millisecond)
	for _, s := range all {
		for n := range 3 {
			s.messages <- n
			s.Mark(event.Cursor{Position: int64(n)})
		}
		r.hears(t, "next 0", "next 1", "next 2")
	}
	require.Eventually(t, idle, patience, time.Millisecond)
	for _, s := range all {
		s.end()
		r.hears(t, "complete", "ended subscription false", "returned true")
	}
	require.Eventually(t, idle, patience, time.Millisecond)
}
