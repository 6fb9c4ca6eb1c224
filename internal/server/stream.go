package server

import (
	"context"
	"sync"
	"time"

	"parley/internal/auth"
	"parley/internal/live"
	"parley/internal/server/sse"
	"parley/internal/server/ws"
)

// socket is a websocket as a connection. Its transport warns by itself.
type socket struct{ *ws.Conn }

// Close closes it with a code on which the official clients come back, if they
// have a token that is good.
func (s socket) Close(reason string) { s.Conn.Close(ws.CloseForbidden, reason) }

// warnStreams warns the event streams of a websocket.
func warnStreams(conn *ws.Conn, at time.Time) {
	if f := followerOf(conn.Context()); f != nil {
		f.warn(at)
	}
}

// stream is a response of server-sent events as a connection.
type stream struct {
	*sse.Stream
	streams *live.Connection
	// warning is how long before its end it is warned.
	warning time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil before the first expiry
	over  bool
}

// openStream keeps a response of server-sent events in step with its viewer.
// Nobody's may last as it likes.
func (s *Server) openStream(ctx context.Context, conn *sse.Stream) (context.Context, error) {
	if _, signedIn := auth.From(ctx); !signedIn {
		return ctx, nil
	}
	c := &stream{Stream: conn, streams: live.NewConnection(), warning: s.cfg.ExpiryWarning}
	followed, _, err := s.sessions.follow(ctx, c, c.streams)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, c.end)
	return followed, nil
}

// SetExpiry is that of connection, with a warning before.
func (s *stream) SetExpiry(at time.Time) {
	s.Stream.SetExpiry(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if !at.IsZero() && !s.over {
		s.timer = time.AfterFunc(time.Until(at.Add(-s.warning)), func() { s.streams.Expiring(at) })
	}
}

// Close is that of connection. There is no room for the reason.
func (s *stream) Close(string) { go s.Stream.Close() }

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
