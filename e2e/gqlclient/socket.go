package gqlclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// Patience is how long the tests' helpers wait for something that has to come; on a
// crowded machine a race-built process that loads models takes its time.
const Patience = 3 * time.Minute

// Socket is an acknowledged graphql-transport-ws connection.
type Socket struct {
	conn *websocket.Conn

	mu      sync.Mutex
	streams map[string]*Stream
	next    int

	// done is closed when the socket is; then err says why.
	done chan struct{}
	err  error
}

// message is one frame of the protocol.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Dial opens a socket with the client's token and waits for the
// acknowledgement. An error of the upgrade carries its status, one of the
// protocol is a *websocket.CloseError.
func (c *Client) Dial(ctx context.Context) (*Socket, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: Patience}
	header := http.Header{}
	for name, values := range c.Header {
		header[name] = values
	}
	conn, answer, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(c.URL, "http")+"/graphql", header)
	if answer != nil {
		defer answer.Body.Close()
	}
	if err != nil {
		if answer != nil {
			err = fmt.Errorf("status %d: %w", answer.StatusCode, err)
		}
		return nil, err
	}
	s := &Socket{conn: conn, streams: map[string]*Stream{}, done: make(chan struct{})}
	hello := message{Type: "connection_init"}
	if c.Token != "" {
		hello.Payload, _ = json.Marshal(map[string]string{"authorization": "Bearer " + c.Token})
	}
	if err := conn.WriteJSON(hello); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	var ack message
	if err := conn.ReadJSON(&ack); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if ack.Type != "connection_ack" {
		return nil, errors.Join(fmt.Errorf("expected connection_ack, got %s", ack.Type), conn.Close())
	}
	go s.read()
	return s, nil
}

// MustDial opens a socket that closes with the test.
func (c *Client) MustDial(t testing.TB) *Socket {
	t.Helper()
	s, err := c.Dial(t.Context())
	require.NoError(t, err, "open a socket")
	t.Cleanup(s.Close)
	return s
}

// Close closes the socket.
func (s *Socket) Close() {
	_ = s.conn.Close()
	<-s.done
}

// Closed waits until the server has closed the socket and gives the close code,
// -1 for a connection that just ended.
func (s *Socket) Closed(t testing.TB) int {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(Patience):
		t.Fatal("the socket was not closed")
	}
	var closed *websocket.CloseError
	if errors.As(s.err, &closed) {
		return closed.Code
	}
	return -1
}

func (s *Socket) read() {
	var err error
	for err == nil {
		var m message
		if err = s.conn.ReadJSON(&m); err == nil {
			err = s.take(m)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	for _, stream := range s.streams {
		close(stream.items)
	}
	s.streams = nil
	close(s.done)
}

func (s *Socket) take(m message) error {
	if m.Type == "ping" {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.conn.WriteJSON(message{Type: "pong", Payload: m.Payload})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stream := s.streams[m.ID]
	if stream == nil {
		return nil
	}
	r := &Response{}
	var err error
	switch m.Type {
	case "next":
		err = json.Unmarshal(m.Payload, r)
	case "error":
		err = json.Unmarshal(m.Payload, &r.Errors)
	}
	if err != nil {
		return err
	}
	if m.Type != "complete" {
		stream.items <- r // 4096 of them; tests read more than that nowhere
	}
	if m.Type != "next" {
		delete(s.streams, m.ID)
		close(stream.items)
	}
	return nil
}

// Stream is one operation on a socket.
type Stream struct {
	socket *Socket
	id     string
	items  chan *Response
}

// Subscribe starts an operation.
func (s *Socket) Subscribe(t testing.TB, query string, vars Vars) *Stream {
	t.Helper()
	payload, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotNil(t, s.streams, "the socket is closed: %v", s.err)
	s.next++
	stream := &Stream{socket: s, id: fmt.Sprint(s.next), items: make(chan *Response, 4096)}
	s.streams[stream.id] = stream
	require.NoError(t, s.conn.WriteJSON(message{ID: stream.id, Type: "subscribe", Payload: payload}), "subscribe")
	return stream
}

// Stop ends the operation from this side.
func (s *Stream) Stop(t testing.TB) {
	t.Helper()
	s.socket.mu.Lock()
	defer s.socket.mu.Unlock()
	require.NoError(t, s.socket.conn.WriteJSON(message{ID: s.id, Type: "complete"}), "stop a subscription")
}

// Next waits for a response; false says that the operation has ended.
func (s *Stream) Next(t testing.TB) (*Response, bool) {
	t.Helper()
	select {
	case r, ok := <-s.items:
		return r, ok
	case <-time.After(Patience):
		t.Fatal("nothing came on the subscription")
		return nil, false
	}
}

// Wait gives the next response, however long it takes; false says that the
// operation has ended.
func (s *Stream) Wait() (*Response, bool) {
	r, ok := <-s.items
	return r, ok
}

// Read waits for a response without errors and reads its data into into; false
// says that the operation has ended.
func (s *Stream) Read(t testing.TB, into any) bool {
	t.Helper()
	r, ok := s.Next(t)
	if !ok {
		return false
	}
	err := r.Err()
	if err == nil {
		err = json.Unmarshal(r.Data, into)
	}
	require.NoError(t, err, "subscription")
	return true
}

// Try gives a response that has come already.
func (s *Stream) Try() (*Response, bool) {
	select {
	case r, ok := <-s.items:
		return r, ok
	default:
		return nil, false
	}
}
