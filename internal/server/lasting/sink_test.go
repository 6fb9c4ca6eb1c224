package lasting_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/resume"
	"parley/internal/server/lasting"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

const sdl = `
type Query { hello: String! panics: String nothing: String }
type Subscription { count: Int! announced: Int! waits: Int! panics: Int! breaks: Int! }`

// room is a set over a sink that writes down what it is told.
type room struct {
	lasting.Set
	exec *executor.Executor
	told chan string
	// send is what Next gives; nil for nothing.
	send func() error

	streams chan *stream // of each announced
	release chan struct{}
	entered chan struct{}
}

func setup(t *testing.T) *room {
	r := &room{
		told: make(chan string, 1000), send: func() error { return nil },
		streams: make(chan *stream, 1000), release: make(chan struct{}), entered: make(chan struct{}, 10),
	}
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: sdl})
	r.exec = executor.New(&graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema }, ExecFunc: r.execute,
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 0, false },
	})
	r.exec.SetRecoverFunc(func(_ context.Context, p any) error {
		if err, ok := p.(error); ok {
			return err // a stream that breaks
		}
		return errors.New("recovered")
	})
	r.Set.Exec, r.Sink = r.exec, sink{r}
	r.Config = &lasting.Config{
		MaxOperations: 100, Internal: "sorry",
		Started: func(kind string) { r.told <- "started " + kind },
		Ended:   func(kind string, _ time.Duration, failed bool) { r.told <- fmt.Sprint("ended ", kind, " ", failed) },
		Refused: func() { r.told <- "refused" },
	}
	return r
}

// stream is one that announces its messages.
type stream struct {
	*resume.Reader
	messages chan int
}

func (s *stream) end() { close(s.messages); s.Close() }

func (r *room) execute(ctx context.Context) graphql.ResponseHandler {
	emit := func(v any) *graphql.Response {
		data, _ := json.Marshal(v)
		return &graphql.Response{Data: data}
	}
	n := 0
	switch op := graphql.GetOperationContext(ctx).Operation; op.SelectionSet[0].(*ast.Field).Name {
	case "nothing":
		return func(context.Context) *graphql.Response { return nil }
	case "panics":
		return func(context.Context) *graphql.Response { panic("on purpose") }
	case "waits":
		return func(context.Context) *graphql.Response { r.entered <- struct{}{}; <-r.release; return nil }
	case "count", "breaks":
		breaks := op.SelectionSet[0].(*ast.Field).Name == "breaks"
		return func(context.Context) *graphql.Response {
			if n++; n <= 2 {
				return emit(n)
			}
			if breaks {
				panic(errors.New("broken"))
			}
			return nil
		}
	case "announced":
		s := &stream{resume.From(ctx), make(chan int, 10)}
		s.Announce()
		r.streams <- s
		return func(context.Context) *graphql.Response {
			if v, ok := <-s.messages; ok {
				return emit(v)
			}
			return nil
		}
	}
	return func(context.Context) *graphql.Response { return emit("world") } // for ever, like a careless interceptor
}

type sink struct{ *room }

func (s sink) Header() http.Header { return http.Header{} }
func (s sink) Log() *slog.Logger   { return slog.New(slog.DiscardHandler) }

func (s sink) Next(_ *lasting.Operation, resp *graphql.Response) error {
	if err := s.send(); err != nil {
		return err
	}
	s.told <- "next " + string(resp.Data)
	return nil
}

func (s sink) Finish(o *lasting.Operation, errs gqlerror.List) bool {
	if !s.Drop(o) {
		return false
	}
	words := "complete"
	if len(errs) > 0 {
		words = "errors " + errs[0].Message
	}
	s.told <- words
	return true
}

func (s sink) Returned(_ *lasting.Operation, over bool) { s.told <- fmt.Sprint("returned ", over) }

// ask admits an operation and starts it.
func (r *room) ask(t testing.TB, ctx context.Context, id, query string) *lasting.Operation {
	t.Helper()
	o := operation(id, query)
	require.NoError(t, r.Admit(o, 1<<20))
	require.True(t, r.Start(ctx, o))
	return o
}

func operation(id, query string) *lasting.Operation {
	return &lasting.Operation{ID: id, Size: int64(len(query)), Params: &graphql.RawParams{Query: query}, Reader: &resume.Reader{}}
}

// hears expects what the sink and the hooks are told, and nothing else.
func (r *room) hears(t testing.TB, all ...string) {
	t.Helper()
	for _, want := range all {
		require.Equal(t, want, receive(t, r.told))
	}
	require.Empty(t, r.told)
}

func receive[T any](t testing.TB, signals <-chan T) T {
	t.Helper()
	select {
	case v := <-signals:
		return v
	case <-time.After(patience):
		require.FailNow(t, "no signal came")
		panic("unreachable")
	}
}
