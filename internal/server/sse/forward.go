package sse

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/nats-io/nats.go"

	"parley/internal/apperr"
	"parley/internal/server/lasting"
)

const (
	subjectPrefix = "parley.sse."
	// maxRequests is how many requests of other processes may wait here.
	maxRequests = 1024
	// answering is how many of them are answered at a time.
	answering = 16
	// secondTry is when to ask again where nobody knew the token: it may just be
	// moving from one process to another.
	secondTry = 50 * time.Millisecond
)

// What a command does.
const (
	doExecute  = "execute"
	doComplete = "complete"
	doTakeOver = "take over"
)

// command is what one request asks of a stream, perhaps in another process.
type command struct {
	Do string `json:"do"`
	// Viewer is who asks. It is compared with whose the token is, and gives no
	// rights: operations run with those of the stream.
	Viewer identity `json:"viewer"`
	Method string   `json:"method,omitempty"`
	waiting
}

// waiting is an operation that waits for its stream.
type waiting struct {
	ID     string             `json:"operation,omitempty"`
	Size   int64              `json:"size,omitempty"`
	Params *graphql.RawParams `json:"params,omitempty"`
}

func subject(key seatKey) string { return subjectPrefix + hex.EncodeToString(key[:]) }

// listen subscribes to what other processes have for a token. All tokens share
// one channel, so that none has a goroutine.
func (t *Transport) listen(key seatKey) (*nats.Subscription, error) {
	if t.cfg.Bus == nil {
		return nil, nil
	}
	return t.cfg.Bus.Conn().ChanSubscribe(subject(key), t.requests)
}

// announce waits until NATS knows the subscriptions that were made before.
// Without a connection it learns of them once that is back.
func (t *Transport) announce() {
	if t.cfg.Bus == nil || !t.cfg.Bus.Conn().IsConnected() {
		return
	}
	if err := t.cfg.Bus.Conn().FlushTimeout(t.cfg.ForwardTimeout); err != nil {
		t.cfg.Log.Warn("other processes may not hear of an event stream at once", "error", err)
	}
}

// forward asks the process that has the token.
func (t *Transport) forward(ctx context.Context, key seatKey, c command) *answer {
	raw, err := json.Marshal(c)
	if err != nil {
		return internal()
	}
	if !t.cfg.Bus.Conn().IsConnected() { // it would be sent once nobody waits any more
		return silent()
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.ForwardTimeout)
	defer cancel()
	for again := true; ; again = false {
		a, err := t.ask(ctx, key, raw)
		unknown := errors.Is(err, nats.ErrNoResponders) || err == nil && a.Gone
		switch {
		case unknown && again:
			lasting.Wait(ctx, secondTry)
		case unknown:
			return notFound()
		case errors.Is(err, nats.ErrMaxPayload):
			return refusal(http.StatusRequestEntityTooLarge, apperr.New(apperr.TooLarge, "The request is too long for a stream that is on another server."))
		case err != nil:
			t.cfg.Log.WarnContext(ctx, "the process with an event stream does not answer", "error", err)
			return silent()
		default:
			return a
		}
	}
}

func silent() *answer {
	e := apperr.New(apperr.Unavailable, "The server with this stream does not answer.")
	e.RetryAfter = time.Second
	return refusal(http.StatusServiceUnavailable, e)
}

func (t *Transport) ask(ctx context.Context, key seatKey, raw []byte) (*answer, error) {
	m, err := t.cfg.Bus.Conn().RequestWithContext(ctx, subject(key), raw)
	if err != nil {
		return nil, err
	}
	a := &answer{}
	if err := decode(m.Data, a); err != nil {
		return nil, err
	}
	if a.Status < 100 || a.Status > 599 {
		return nil, errors.New("the answer has no status")
	}
	return a, nil
}

// decode reads what another process sent; numbers keep their digits.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// takeOver brings a reservation of another process here.
func (t *Transport) takeOver(r *http.Request, exec graphql.GraphExecutor, key seatKey, owner identity) (*Stream, *answer) {
	if t.cfg.Bus == nil {
		return nil, notFound()
	}
	a := t.forward(r.Context(), key, command{Do: doTakeOver, Viewer: owner})
	if a.Status != http.StatusOK {
		return nil, a
	}
	s := t.newStream(r.Context(), r, exec)
	s.key, s.owner = key, owner
	for _, w := range a.Waiting {
		if w.Params == nil {
			continue
		}
		o := w.operation()
		s.operations.Take(o)
		s.queue = append(s.queue, o)
	}
	if refused := t.sit(s); refused != nil {
		s.stop(EndClosed)
		return nil, refused
	}
	return s, nil
}

// handOver gives a reservation to the process that has its connection.
func (s *Stream) handOver() *answer {
	s.mu.Lock()
	switch {
	case s.end != "":
		s.mu.Unlock()
		return &answer{Status: http.StatusNotFound, Gone: true}
	case s.phase != reserved:
		s.mu.Unlock()
		return refusal(http.StatusConflict, apperr.New(apperr.Conflict, "The stream of this token is open already."))
	}
	a := &answer{Status: http.StatusOK}
	give := func(o *lasting.Operation) {
		a.Waiting = append(a.Waiting, waiting{ID: o.ID, Size: o.Size, Params: o.Params})
	}
	for _, o := range s.queue {
		if s.operations.Live(o) {
			give(o)
		}
	}
	for _, o := range s.operations.All() {
		if !slices.Contains(s.queue, o) { // it is being validated
			give(o)
		}
	}
	s.moved = true
	cancel := s.finish(EndClosed)
	s.mu.Unlock()
	cancel()
	s.t.vacate(s)
	return a
}

// answerOthers answers other processes until stop is called, which returns when
// the last answer has been given.
func (t *Transport) answerOthers() (stop func()) {
	ended := make(chan struct{})
	var all sync.WaitGroup
	slots := make(chan struct{}, answering)
	all.Go(func() {
		for {
			select {
			case <-ended:
				return
			case m := <-t.requests:
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					t.respond(m)
				})
			}
		}
	})
	return func() { close(ended); all.Wait() }
}

func (t *Transport) respond(m *nats.Msg) {
	raw, err := json.Marshal(t.answerTo(m))
	if err == nil {
		err = m.Respond(raw)
	}
	if err != nil {
		t.cfg.Log.Warn("another process could not be answered", "error", err)
	}
}

func (t *Transport) answerTo(m *nats.Msg) *answer {
	var c command
	if err := decode(m.Data, &c); err != nil {
		return internal()
	}
	var key seatKey
	if n, err := hex.Decode(key[:], []byte(m.Subject[len(subjectPrefix):])); err != nil || n != len(key) {
		return internal()
	}
	s := t.seat(key)
	switch {
	case t.streams.Draining():
		return restarting()
	case s == nil:
		return &answer{Status: http.StatusNotFound, Gone: true}
	case s.owner != c.Viewer:
		return notFound()
	case c.Do == doTakeOver:
		return s.handOver()
	case c.Do == doExecute && c.Params != nil, c.Do == doComplete:
		return s.perform(c)
	}
	return internal()
}
