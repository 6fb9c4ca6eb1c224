package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a client of graphql-transport-ws.
type socket struct {
	conn *websocket.Conn
	mu   sync.Mutex
}

// openSocket connects and sends the token in connection_init.
func openSocket(ctx context.Context, addr, token string) (*socket, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: 10 * time.Second, ReadBufferSize: 4096, WriteBufferSize: 1024}
	conn, resp, err := dialer.DialContext(ctx, "ws://"+addr+"/graphql", nil)
	if err != nil {
		return nil, fmt.Errorf("open a websocket: %w", err)
	}
	defer resp.Body.Close()
	s := &socket{conn: conn}
	if err := s.send(map[string]any{"type": "connection_init", "payload": map[string]string{"authorization": "Bearer " + token}}); err != nil {
		return nil, err
	}
	if _, data, err := conn.ReadMessage(); err != nil || !bytes.Contains(data, []byte(`"connection_ack"`)) {
		conn.Close()
		return nil, fmt.Errorf("the socket was not accepted: %s: %w", data, err)
	}
	return s, nil
}

func (s *socket) close() { s.conn.Close() }

func (s *socket) send(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.WriteMessage(websocket.TextMessage, data)
}

// subscribe begins an operation.
func (s *socket) subscribe(id, query string) error { return s.subscribeTo(id, query, nil) }

// subscribeTo begins an operation with variables.
func (s *socket) subscribeTo(id, query string, variables map[string]any) error {
	return s.send(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query, "variables": variables}})
}

// sync returns when the server has read all that was sent before.
func (s *socket) sync() error {
	if err := s.send(map[string]any{"type": "ping"}); err != nil {
		return err
	}
	for {
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			return err
		}
		if bytes.Contains(data, []byte(`"type":"pong"`)) {
			return nil
		}
	}
}

// pong answers a ping with its payload, as clients do.
func (s *socket) pong(ping []byte) error {
	var m struct {
		Payload json.RawMessage `json:"payload,omitempty"`
	}
	if err := json.Unmarshal(ping, &m); err != nil {
		return err
	}
	answer := map[string]any{"type": "pong"}
	if m.Payload != nil {
		answer["payload"] = m.Payload
	}
	return s.send(answer)
}

// listen gives every message of an operation to next until the socket closes.
func (s *socket) listen(next func(data []byte)) error {
	for {
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			return err
		}
		switch {
		case bytes.Contains(data, []byte(`"type":"next"`)):
			next(data)
		case bytes.Contains(data, []byte(`"type":"ping"`)):
			if err := s.pong(data); err != nil {
				return err
			}
		case bytes.Contains(data, []byte(`"type":"error"`)):
			return fmt.Errorf("the server says: %s", data)
		}
	}
}
