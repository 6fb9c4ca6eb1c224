package sse_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/stretchr/testify/require"

	"parley/internal/auth"
	"parley/internal/server/sse"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

type ended struct {
	kind   string
	failed bool
}

// bundle is a real HTTP server with the transport, and what its hooks said.
type bundle struct {
	schema    *testSchema
	transport *sse.Transport
	server    *httptest.Server
	opened    chan *sse.Stream
	closed    chan sse.End
	started   chan string
	ended     chan ended
	refused   chan struct{}
	overflow  chan struct{}
}

func setup(t testing.TB, cfg sse.Config) *bundle {
	t.Helper()
	return setupOn(t, cfg, httptest.NewServer)
}

func setupOn(t testing.TB, cfg sse.Config, serve func(http.Handler) *httptest.Server) *bundle {
	t.Helper()
	b := &bundle{
		schema: newSchema(),
		opened: make(chan *sse.Stream, 8192), closed: make(chan sse.End, 8192),
		started: make(chan string, 8192), ended: make(chan ended, 8192),
		refused: make(chan struct{}, 8192), overflow: make(chan struct{}, 8192),
	}
	cfg.Hooks = sse.Hooks{
		Opened:           func(s *sse.Stream) { note(b.opened, s) },
		Closed:           func(_ *sse.Stream, why sse.End) { note(b.closed, why) },
		OperationStarted: func(kind string) { note(b.started, kind) },
		OperationEnded:   func(kind string, _ time.Duration, failed bool) { note(b.ended, ended{kind, failed}) },
		OperationRefused: func() { note(b.refused, struct{}{}) },
		Overflow:         func(*sse.Stream) { note(b.overflow, struct{}{}) },
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b.transport = sse.New(cfg)
	exec := executor.New(b.schema.schema())
	exec.Use(deadline{})
	exec.SetRecoverFunc(func(_ context.Context, p any) error {
		if err, ok := p.(error); ok {
			return err // a stream that breaks
		}
		return errors.New("recovered")
	})
	b.server = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !b.transport.Supports(r) {
			http.Error(w, "not of the protocol", http.StatusTeapot)
			return
		}
		ctx := r.Context()
		if user := r.Header.Get("Test-User"); user != "" { // and session and key, each after a space
			parts := append(strings.Split(user, " "), "", "")
			ctx = auth.With(ctx, auth.Viewer{ID: parts[0], Session: parts[1], Key: parts[2], Role: auth.RoleUser})
		}
		b.transport.Do(w, r.WithContext(ctx), exec)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, b.transport.CloseAll(ctx, 0))
		b.server.CloseClientConnections()
		b.server.Close()
	})
	return b
}

// deadline gives operations the time of the header Test-Deadline.
type deadline struct{}

func (deadline) ExtensionName() string                   { return "deadline" }
func (deadline) Validate(graphql.ExecutableSchema) error { return nil }

func (deadline) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	d, err := time.ParseDuration(graphql.GetOperationContext(ctx).Headers.Get("Test-Deadline"))
	if err != nil {
		return next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	respond := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		defer cancel()
		return respond(ctx)
	}
}

// note keeps a signal; those that no test waits for are lost in the end.
func note[T any](signals chan T, v T) {
	select {
	case signals <- v:
	default:
	}
}

// receive waits for a signal.
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

// header gives a header of names and values in turn.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

const events = "text/event-stream"

// send makes a request; a body is JSON unless the header says otherwise.
func send(t testing.TB, client *http.Client, method, at, body string, h http.Header) *http.Response {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for name, values := range h {
		r.Header[name] = values
	}
	guard := time.AfterFunc(patience, cancel)
	resp, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() {
		guard.Stop()
		cancel()
		_ = resp.Body.Close()
	})
	return resp
}

// ask makes a request of which the whole answer is wanted.
func (b *bundle) ask(t testing.TB, method, path, body string, h http.Header) (status int, answer string) {
	t.Helper()
	resp := send(t, b.server.Client(), method, b.server.URL+path, body, h)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(raw)
}

// code gives extensions.code of the first error of an answer.
func code(t testing.TB, answer string) string {
	t.Helper()
	var body struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &body), "%s", answer)
	require.NotEmpty(t, body.Errors, "%s", answer)
	require.NotEmpty(t, body.Errors[0].Message)
	return body.Errors[0].Extensions.Code
}

// frame is one event.
type frame struct{ event, id, data string }

// stream reads events as the standard says.
type stream struct {
	t        testing.TB
	resp     *http.Response
	lines    *bufio.Reader
	comments int
	retry    string
}

func follow(t testing.TB, resp *http.Response) *stream {
	t.Helper()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(resp.Body)
		require.FailNow(t, "no stream", "%d %s", resp.StatusCode, raw)
	}
	return &stream{t: t, resp: resp, lines: bufio.NewReader(resp.Body)}
}

// read gives the next event, or the error with which the stream ended.
func (s *stream) read() (frame, error) {
	f, data := frame{}, false
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return frame{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data:
			return f, nil
		case line == "":
			f = frame{}
		case name == "":
			s.comments++
		case name == "event":
			f.event = value
		case name == "id":
			f.id = value
		case name == "retry":
			s.retry = value
		case name == "data" && !data:
			f.data, data = value, true
		default:
			require.FailNow(s.t, "unexpected line", "%q", line)
		}
	}
}

func (s *stream) expect(event string) frame {
	s.t.Helper()
	f, err := s.read()
	require.NoError(s.t, err)
	require.Equal(s.t, event, f.event, "%s", f.data)
	return f
}

// ends skips events until the stream ends.
func (s *stream) ends() error {
	for {
		if _, err := s.read(); err != nil {
			return err
		}
	}
}

// post opens a stream of one operation.
func (b *bundle) post(t testing.TB, query string, pairs ...string) *stream {
	t.Helper()
	body := string(encode(map[string]any{"query": query}))
	h := header(append(pairs, "Accept", events)...)
	return follow(t, send(t, b.server.Client(), http.MethodPost, b.server.URL, body, h))
}

// get opens a stream of one operation in the way of an EventSource.
func (b *bundle) get(t testing.TB, query string, pairs ...string) *stream {
	t.Helper()
	h := header(append(pairs, "Accept", events)...)
	return follow(t, send(t, b.server.Client(), http.MethodGet, b.server.URL+"?query="+url.QueryEscape(query), "", h))
}

// reserve gives a token.
func (b *bundle) reserve(t testing.TB, pairs ...string) string {
	t.Helper()
	status, token := b.ask(t, http.MethodPut, "", "", header(pairs...))
	require.Equal(t, http.StatusCreated, status, "%s", token)
	return token
}

// attach opens the stream of a token.
func (b *bundle) attach(t testing.TB, token string, pairs ...string) *stream {
	t.Helper()
	h := header(append(pairs, sse.TokenHeader, token, "Accept", events)...)
	return follow(t, send(t, b.server.Client(), http.MethodGet, b.server.URL, "", h))
}

// operate sends an operation to the stream of a token.
func (b *bundle) operate(t testing.TB, token, id, query string, pairs ...string) (status int, answer string) {
	t.Helper()
	body := map[string]any{"query": query, "extensions": map[string]any{"operationId": id}}
	return b.ask(t, http.MethodPost, "", string(encode(body)), header(append(pairs, sse.TokenHeader, token)...))
}

func (b *bundle) dismiss(t testing.TB, token, id string, pairs ...string) (status int, answer string) {
	t.Helper()
	return b.ask(t, http.MethodDelete, "?operationId="+url.QueryEscape(id), "", header(append(pairs, sse.TokenHeader, token)...))
}
