package sse

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/nats-io/nats.go"

	"parley/internal/apperr"
	"parley/internal/server/lasting"
)

type phase int

const (
	reserved phase = iota // the token is given, no connection yet
	opening               // being let in
	open
)

// Stream is one event stream. Its methods may be called from any goroutine,
// also after the stream has ended; then they do nothing.
type Stream struct {
	t  *Transport
	id string

	// Of a stream with a token.
	key   seatKey
	owner identity
	sub   *nats.Subscription // guarded by t.mu
	idle  bool               // guarded by t.mu: it counts as a reservation

	// Of the connection, set before the phase is open.
	w    http.ResponseWriter
	wire *http.ResponseController
	base context.Context // ends with the stream

	writing sync.Mutex // held for one event; never taken while holding mu
	silent  bool       // guarded by writing: nothing may be written any more
	written time.Time  // guarded by writing: when the last event was
	due     time.Time  // guarded by writing: the deadline of the last bytes

	mu     sync.Mutex
	header http.Header
	remote string
	phase  phase
	end    End             // empty while the stream lives
	ctx    context.Context // for operations
	cancel context.CancelFunc
	queue  []*lasting.Operation // those that wait for the stream to open
	moved  bool                 // another process has the token and those that waited
	users  int                  // operations that run, and the connection; 0 is the end of all
	expiry time.Time
	timer  *time.Timer

	operations lasting.Set
}

// newStream makes one whose operations are validated in ctx until it is open.
func (t *Transport) newStream(ctx context.Context, r *http.Request, exec graphql.GraphExecutor) *Stream {
	s := &Stream{t: t, id: rand.Text()}
	s.operations = lasting.Set{Config: &t.operations, Exec: exec, Sink: sink{s}}
	s.timer = time.AfterFunc(time.Hour, s.tick)
	s.timer.Stop()
	s.connect(ctx, r)
	return s
}

// connect makes the stream one of the request's.
func (s *Stream) connect(ctx context.Context, r *http.Request) {
	s.header, s.remote = r.Header, r.RemoteAddr
	s.base, s.cancel = context.WithCancel(ctx)
	s.ctx = s.base
}

func (s *Stream) cfg() *Config { return &s.t.cfg }

// ID is unique per stream, for logs.
func (s *Stream) ID() string { return s.id }

// Single tells whether the stream carries many operations (single connection
// mode).
func (s *Stream) Single() bool { return s.key != seatKey{} }

// Header gives the headers of the request that became the stream. They must
// not be changed.
func (s *Stream) Header() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.header
}

// RemoteAddr is the peer's address as the HTTP server saw it.
func (s *Stream) RemoteAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote
}

// Context gives the context that Open returned, or before that the one it gets.
// It ends with the stream.
func (s *Stream) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// Close ends the stream and all its operations; the client may come back.
func (s *Stream) Close() { s.stop(EndClosed) }

// SetExpiry ends the stream at t. A later call moves the expiry, the zero time
// takes it away.
func (s *Stream) SetExpiry(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiry = t
	s.arm(0)
}

// Expiry gives the time of SetExpiry, zero when there is none.
func (s *Stream) Expiry() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expiry
}

// stop ends the stream. Only the first call does so, and only it gives true.
func (s *Stream) stop(why End) bool {
	s.mu.Lock()
	if s.end != "" {
		s.mu.Unlock()
		return false
	}
	cancel := s.finish(why)
	s.mu.Unlock()
	cancel()
	s.t.vacate(s)
	return true
}

// finish notes the end; s.mu is held. Afterwards the operations are to be
// cancelled and the token is to be forgotten.
func (s *Stream) finish(why End) context.CancelFunc {
	s.end = why
	s.timer.Stop()
	return s.cancel
}

func (s *Stream) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != ""
}

// admit asks Config.Open to let the connection in.
func (s *Stream) admit() (refused *answer) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg().Log.Error("opening an event stream panicked", "stream", s.id, "panic", r, "stack", string(debug.Stack()))
			refused = internal()
		}
	}()
	if s.cfg().Open == nil {
		return nil
	}
	ctx, err := s.cfg().Open(s.base, s)
	switch {
	case err != nil:
		s.cfg().Log.DebugContext(s.base, "event stream refused", "stream", s.id, "error", err)
		return turnedAway(err)
	case s.ending() && !s.t.streams.Draining():
		return refusal(http.StatusForbidden, apperr.New(apperr.Forbidden, "The stream was closed before it was open."))
	case ctx == nil:
		return nil
	}
	// Also a context that does not derive from ours must end.
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	cancelBase := s.cancel
	s.ctx, s.cancel = ctx, func() { cancelBase(); cancel() }
	if s.end != "" {
		cancel()
	}
	return nil
}

// serve opens the stream, lets the operations that wait begin, and returns when
// it has ended.
func (s *Stream) serve(w http.ResponseWriter, r *http.Request) {
	if refused := s.begin(w); refused != nil {
		s.stop(EndClosed)
		s.t.reply(w, r, refused)
		return
	}
	defer s.leave()
	s.operations.Tell(func() { s.cfg().Hooks.Opened(s) })
	s.greet()
	s.mu.Lock()
	s.phase = open
	ctx, waiting := s.ctx, s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, o := range waiting {
		s.start(o)
	}
	select {
	case <-s.base.Done():
	case <-ctx.Done(): // perhaps with base
		if s.base.Err() == nil {
			s.stop(EndClosed)
		}
	}
	s.hush()
	s.stop(EndLost) // unless whoever was writing knew better
	s.operations.Tell(func() { s.cfg().Hooks.Closed(s, s.reason()) })
}

// begin registers the stream, if it can be written to in time.
func (s *Stream) begin(w http.ResponseWriter) *answer {
	s.w, s.wire = w, http.NewResponseController(w)
	if err := s.wire.SetWriteDeadline(time.Time{}); err != nil {
		s.cfg().Log.ErrorContext(s.base, "the HTTP server can't stream", "error", err)
		return internal()
	}
	s.mu.Lock()
	ended := s.end != ""
	s.users++
	s.mu.Unlock()
	if ended || !s.t.streams.Add(s) {
		return restarting()
	}
	return nil
}

// greet sends the headers and what opens the stream. Some proxies and browsers
// hold the headers back until the first bytes come.
func (s *Stream) greet() {
	setHeaders(s.w.Header())
	s.w.WriteHeader(http.StatusOK)
	_ = s.write(nil, func(buf *bytes.Buffer) error {
		buf.WriteString(s.t.retryHint())
		buf.WriteString(heartbeat)
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm(s.cfg().Heartbeat)
}

func (s *Stream) reason() End {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// leave is called by the connection and by each operation at their end.
func (s *Stream) leave() {
	s.mu.Lock()
	s.users--
	last := s.users == 0 && s.end != ""
	s.mu.Unlock()
	if last {
		s.t.streams.Remove(s)
	}
}

// arm sets the timer to the next heartbeat, or the expiry if that is first;
// s.mu is held.
func (s *Stream) arm(beat time.Duration) {
	if s.end != "" || s.phase != open && beat == 0 {
		return
	}
	if beat == 0 {
		beat = s.cfg().Heartbeat
	}
	if !s.expiry.IsZero() {
		beat = min(beat, max(time.Until(s.expiry), 0))
	}
	s.timer.Reset(beat)
}

// tick ends what is over, and sends a heartbeat where nothing was sent lately.
func (s *Stream) tick() {
	now := time.Now()
	s.mu.Lock()
	over := s.phase == reserved || !s.expiry.IsZero() && !s.expiry.After(now)
	s.mu.Unlock()
	if over {
		s.stop(EndClosed)
		return
	}
	next := s.cfg().Heartbeat
	if s.writing.TryLock() { // who is writing now needs no heartbeat
		if idle := now.Sub(s.written); idle < next/2 {
			next -= idle
		} else {
			_ = s.put([]byte(heartbeat))
		}
		s.writing.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm(next)
}
