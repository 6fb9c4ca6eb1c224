package live

import (
	"sync"

	"parley/internal/event"
	"parley/internal/jobspec"
)

// Listener is told of events as they come. Its functions are called on the
// hub's own goroutine: they must be quick.
type Listener struct {
	Event func(e event.Event)
	// Lost says that there may have been events that Event was not told of.
	Lost func()
}

type listener struct{ Listener }

func (l *listener) add(e event.Event)         { l.Event(e) }
func (l *listener) progress(jobspec.Progress) {}
func (l *listener) lost(int64)                { l.Lost() }

// Listen calls l for the events of the audiences that are about one of the
// keys, until stop. Events that are committed after Listen has returned come.
func (h *Hub) Listen(audiences, keys []string, l Listener) (stop func()) {
	s := &listener{l}
	h.subscribe(s, audiences, keys)
	return sync.OnceFunc(func() { h.unsubscribe(s, audiences, keys) })
}
