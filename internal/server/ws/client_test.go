package ws_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
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
	transport *ws.Transport
	server    *httptest.Server
	opened    chan *ws.Conn
	closed    chan int
	started   chan string
	ended     chan ended
	refused   chan struct{}
	overflow  chan struct{}
}

func setup(t testing.TB, cfg ws.Config) *bundle {
	t.Helper()
	return setupOn(t, cfg, httptest.NewServer)
}

func setupOn(t testing.TB, cfg ws.Config, serve func(http.Handler) *httptest.Server) *bundle {
	t.Helper()
	b := &bundle{
		schema: newSchema(),
		opened: make(chan *ws.Conn, 8192), closed: make(chan int, 8192),
		started: make(chan string, 8192), ended: make(chan ended, 8192),
		refused: make(chan struct{}, 8192), overflow: make(chan struct{}, 8192),
	}
	cfg.Hooks = ws.Hooks{
		Opened:           func(c *ws.Conn) { note(b.opened, c) },
		Closed:           func(_ *ws.Conn, code int) { note(b.closed, code) },
		OperationStarted: func(kind string) { note(b.started, kind) },
		OperationEnded:   func(kind string, _ time.Duration, failed bool) { note(b.ended, ended{kind, failed}) },
		OperationRefused: func() { note(b.refused, struct{}{}) },
		Overflow:         func(*ws.Conn) { note(b.overflow, struct{}{}) },
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	b.transport = ws.New(cfg)
	exec := executor.New(b.schema.schema())
	exec.SetRecoverFunc(func(_ context.Context, p any) error {
		if err, ok := p.(error); ok {
			return err // a stream that breaks
		}
		return errors.New("recovered")
	})
	b.server = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !b.transport.Supports(r) {
			http.Error(w, "not a websocket", http.StatusBadRequest)
			return
		}
		b.transport.Do(w, r, exec)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, b.transport.CloseAll(ctx, ws.CloseRestart, "", 0))
		b.server.Close()
	})
	return b
}

func (b *bundle) url() string { return "ws" + strings.TrimPrefix(b.server.URL, "http") }

// forgets waits until the transport has n sockets. It is told that one is Closed
// before all that ran on it has returned, and nobody when it is forgotten.
func (b *bundle) forgets(t testing.TB, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return b.transport.Len() == n }, patience, time.Millisecond)
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

// frame is a message as the server sent it.
type frame struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

// client is a bare websocket: it does nothing by itself but answer close frames.
type client struct {
	t    testing.TB
	conn *websocket.Conn
}

func dialer() *websocket.Dialer {
	return &websocket.Dialer{Subprotocols: []string{ws.Protocol}, HandshakeTimeout: patience}
}

func connect(t testing.TB, url string, d *websocket.Dialer, header http.Header) *client {
	t.Helper()
	conn, resp, err := d.Dial(url, header)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn}
}

// dial gives a fresh socket, ready one that is acknowledged.
func (b *bundle) dial(t testing.TB) *client {
	t.Helper()
	return connect(t, b.url(), dialer(), nil)
}

func (b *bundle) ready(t testing.TB) *client {
	t.Helper()
	c := b.dial(t)
	c.send(`{"type":"connection_init"}`)
	c.expect("connection_ack", "")
	return c
}

func (c *client) send(message string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.WriteMessage(websocket.TextMessage, []byte(message)))
}

// subscribe sends an operation; variables are JSON.
func (c *client) subscribe(id, query, variables string) {
	c.t.Helper()
	payload := map[string]any{"query": query}
	if variables != "" {
		payload["variables"] = json.RawMessage(variables)
	}
	c.send(string(encode(map[string]any{"id": id, "type": "subscribe", "payload": payload})))
}

func (c *client) read() (frame, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	kind, raw, err := c.conn.ReadMessage()
	if err != nil {
		return frame{}, err
	}
	require.Equal(c.t, websocket.TextMessage, kind)
	var f frame
	require.NoError(c.t, json.Unmarshal(raw, &f), "%s", raw)
	return f, nil
}

func (c *client) expect(kind, id string) frame {
	c.t.Helper()
	f, err := c.read()
	require.NoError(c.t, err)
	require.Equal(c.t, [2]string{kind, id}, [2]string{f.Type, f.ID}, "payload %s", f.Payload)
	return f
}

// closes skips messages until the server closes, and gives its code and reason.
func (c *client) closes() (code int, reason string) {
	c.t.Helper()
	for {
		_, err := c.read()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code, closed.Text
		}
		var failed net.Error
		require.False(c.t, errors.As(err, &failed) && failed.Timeout(), "the server did not close")
		return websocket.CloseAbnormalClosure, ""
	}
}

// silent proves that the server has nothing more to say than the answer to a
// ping.
func (c *client) silent() {
	c.t.Helper()
	c.send(`{"type":"ping","payload":{"silent":true}}`)
	require.JSONEq(c.t, `{"silent":true}`, string(c.expect("pong", "").Payload))
}
