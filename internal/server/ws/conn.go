package ws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"

	"parley/internal/server/lasting"
)

const invalidReason = "Invalid message received"

// Conn is one open socket. Its methods may be called from any goroutine, also
// after the socket has closed; then they do nothing.
type Conn struct {
	t       *Transport
	id      string
	socket  *websocket.Conn
	wire    *wire
	header  http.Header
	remote  string
	base    context.Context // for Init; ends with the socket
	running sync.WaitGroup  // Init and operations; added to while reading only

	writing sync.Mutex // held for one message; never taken while holding mu

	mu      sync.Mutex
	ctx     context.Context // for operations, from Init; base before
	cancel  context.CancelFunc
	greeted bool // connection_init has come
	acked   bool // connection_ack may go out
	code    int  // how the socket ends; 0 while it lives
	// retiring closes the socket once its queries and mutations are answered; nil
	// until it is to close.
	retiring func()
	due      deadlines
	sent     positions
	timer    *time.Timer

	operations lasting.Set
}

type connKey struct{}

// FromContext gives the socket that an operation, or Init, runs on.
func FromContext(ctx context.Context) (*Conn, bool) {
	c, ok := ctx.Value(connKey{}).(*Conn)
	return c, ok
}

func newConn(t *Transport, socket *websocket.Conn, r *http.Request, exec graphql.GraphExecutor) *Conn {
	c := &Conn{
		t:      t,
		id:     rand.Text(),
		socket: socket,
		wire:   socket.NetConn().(*wire),
		header: r.Header,
		remote: r.RemoteAddr,
	}
	c.operations = lasting.Set{Config: &t.operations, Exec: exec, Sink: sink{c}}
	ctx := context.WithValue(context.WithoutCancel(r.Context()), connKey{}, c)
	c.base, c.cancel = context.WithCancel(ctx)
	c.ctx = c.base
	c.due.init = time.Now().Add(t.cfg.InitTimeout)
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop() // serve arms it
	return c
}

func (c *Conn) cfg() *Config { return &c.t.cfg }

// ID is unique per socket, for logs.
func (c *Conn) ID() string { return c.id }

// Header gives the headers of the request that became the socket. They must
// not be changed.
func (c *Conn) Header() http.Header { return c.header }

// RemoteAddr is the peer's address as the HTTP server saw it.
func (c *Conn) RemoteAddr() string { return c.remote }

// Context gives the context that Init returned, or before that the one it gets.
// It ends with the socket.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx
}

// Close ends the socket and all its operations with a close code (see
// CloseError.Code) and a reason. The first call wins; none waits for the peer.
func (c *Conn) Close(code int, reason string) {
	code, reason = permitted(code, reason)
	if c.settle(code) {
		go c.farewell(code, reason)
	}
}

// Ping sends a ping message; clients echo the payload in their pong. A nil
// payload sends none. It waits while other messages are being written, and
// fails only when the payload does not encode or the socket is gone.
func (c *Conn) Ping(payload map[string]any) error {
	var raw []byte
	if payload != nil {
		var err error
		if raw, err = json.Marshal(payload); err != nil {
			return err
		}
	}
	return c.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, typePing, "", raw); return nil })
}

// serve begins the socket's life.
func (c *Conn) serve() {
	c.opened()
	c.listen()
}

func (c *Conn) opened() {
	defer c.guard("websocket hook")
	c.cfg().Hooks.Opened(c)
	if c.socket.Subprotocol() != Protocol {
		c.shut(CloseSubprotocol, "Subprotocol not acceptable")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arm()
}

// listen handles one message and goes on with a fresh goroutine, for the reason
// that an operation has: reading JSON takes a deeper stack than waiting.
func (c *Conn) listen() {
	over := true
	defer func() {
		if over {
			c.end()
		}
	}()
	defer c.guard("websocket reader")
	if err := c.receive(); err != nil {
		c.hungUp(err)
		return
	}
	over = false
	go c.listen()
}

// end releases everything once reading is over.
func (c *Conn) end() {
	defer c.t.conns.Remove(c)
	c.settle(websocket.CloseAbnormalClosure)
	_ = c.wire.Close()
	c.mu.Lock()
	code := c.code
	c.mu.Unlock()
	func() {
		defer c.guard("websocket hook")
		c.cfg().Hooks.Closed(c, code)
	}()
	c.running.Wait()
}

// receive handles one message. An error means that reading is over.
func (c *Conn) receive() error {
	kind, reader, err := c.socket.NextReader()
	if err != nil {
		return err
	}
	if c.ending() {
		return nil // the next call skips what is left of it
	}
	buf := lasting.Buffer()
	defer lasting.Release(buf)
	if _, err := buf.ReadFrom(io.LimitReader(reader, c.cfg().MaxMessage+1)); err != nil {
		return err
	}
	data := buf.Bytes()
	switch {
	case int64(len(data)) > c.cfg().MaxMessage:
		c.shut(CloseTooBig, "Message too big")
		return nil
	case utf8.Valid(data):
	case kind == websocket.TextMessage:
		c.shut(CloseInvalidText, "Invalid UTF-8")
		return nil
	default: // binary frames are read as text, like the reference server does
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	m, err := parseMessage(data)
	if err != nil {
		c.shut(CloseBadRequest, invalidReason)
		return nil
	}
	c.handle(m, int64(len(data)))
	return nil
}

func (c *Conn) handle(m message, size int64) {
	switch m.kind {
	case typeInit:
		c.greet(m.payload)
	case typePing:
		_ = c.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, typePong, "", m.payload); return nil })
	case typePong:
		c.confirmed(m.payload)
	case typeSubscribe:
		c.subscribe(m, size)
	case typeComplete:
		c.operations.Dismiss(m.id)
	}
}

func (c *Conn) ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code != 0
}

// send writes one message, of an operation only while that is live.
func (c *Conn) send(o *lasting.Operation, encode func(*bytes.Buffer) error) error {
	buf := lasting.Buffer()
	defer lasting.Release(buf)
	if err := encode(buf); err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.ending() || o != nil && !c.operations.Live(o) {
		return lasting.ErrEnded
	}
	if err := c.socket.WriteMessage(websocket.TextMessage, buf.Bytes()); err != nil {
		c.lose(err)
		return lasting.ErrEnded
	}
	return nil
}
