package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/live"
)

// ConfirmFunc tells whether a viewer may open a connection that lasts, or stay
// on it: UNAUTHENTICATED when not.
type ConfirmFunc func(ctx context.Context, v auth.Viewer) error

// connection is what lasts as long as its viewer may stay: a websocket, or a
// response of server-sent events. Its methods don't block.
type connection interface {
	// SetExpiry makes it end by itself at a time, never at the zero time.
	SetExpiry(at time.Time)
	// Close ends it with a reason for people.
	Close(reason string)
}

// sessions keep connections in step with what becomes of their viewers in any
// process: they listen to the event log.
type sessions struct {
	// hub is nil where nothing tells of changes.
	hub     *live.Hub
	verify  VerifyFunc
	confirm ConfirmFunc

	mu sync.Mutex
	// doubtful are the sittings that may have missed something, each once.
	doubtful []*sitting
	// wake has a value while there are some.
	wake chan struct{}
}

func newSessions(hub *live.Hub, verify VerifyFunc, confirm ConfirmFunc) *sessions {
	if confirm == nil {
		confirm = func(context.Context, auth.Viewer) error { return nil }
	}
	return &sessions{hub: hub, verify: verify, confirm: confirm, wake: make(chan struct{}, 1)}
}

// sitting is one viewer's time on the connection of a follower, who may have
// several, one after the other.
type sitting struct {
	f      *follower
	viewer auth.Viewer
	// secret is that of the viewer's API key, empty for people.
	secret string
	stop   func()

	// Guarded by f.mu: when the viewer's time is over, why it is over already, and
	// whether it has ended.
	expires time.Time
	ended   string
	stopped bool

	// doubted is guarded by sessions.mu: it is in doubtful.
	doubted bool
}

// sit begins to listen to what becomes of the viewer. What is committed after it has returned comes.
func (s *sessions) sit(f *follower, v auth.Viewer, secret string) *sitting {
	w := &sitting{f: f, viewer: v, secret: secret, expires: v.Expires, stop: func() {}}
	if s.hub != nil {
		w.stop = s.hub.Listen([]string{event.User(v.ID)}, []string{v.ID, cmp.Or(v.Key, v.Session)}, live.Listener{
			Event: w.told, Lost: func() { s.doubt(w) },
		})
	}
	return w
}

// rechecks is how many viewers are confirmed again at a time, and recheckPause
// how long one waits when the database does not answer.
const (
	rechecks       = 4
	recheckPause   = time.Second
	recheckTimeout = 10 * time.Second
)

// doubt makes Run confirm the viewer of a sitting again.
func (s *sessions) doubt(w *sitting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.doubted {
		w.doubted = true
		s.doubtful = append(s.doubtful, w)
		s.signal()
	}
}

func (s *sessions) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run confirms viewers again of whom something may have been missed, until ctx
// ends.
func (s *sessions) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for range rechecks {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-s.wake:
					s.recheckAll(ctx)
				}
			}
		})
	}
	all.Wait()
	return nil
}

func (s *sessions) recheckAll(ctx context.Context) {
	for w := s.next(); w != nil && ctx.Err() == nil; w = s.next() {
		if err := s.recheck(ctx, w); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "the viewers of open connections can't be confirmed, trying again", "error", err)
			s.doubt(w)
			select {
			case <-ctx.Done():
			case <-time.After(recheckPause):
			}
		}
	}
}

// next takes one of the doubtful, nil when there is none.
func (s *sessions) next() *sitting {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doubtful) == 0 {
		s.doubtful = nil
		return nil
	}
	w := s.doubtful[0]
	s.doubtful[0] = nil
	s.doubtful = s.doubtful[1:]
	w.doubted = false
	if len(s.doubtful) > 0 {
		s.signal() // another may help
	}
	return w
}

// recheck closes the connection of a viewer who may not stay. The error says
// that nobody knows.
func (s *sessions) recheck(ctx context.Context, w *sitting) error {
	if w.over() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recheckTimeout)
	defer cancel()
	err := s.confirm(ctx, w.viewer)
	var refusal *apperr.Error
	if errors.As(err, &refusal) && refusal.Code == apperr.Unauthenticated {
		w.end(refusal.Message)
		return nil
	}
	return err
}
