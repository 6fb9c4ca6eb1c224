package live

import (
	"slices"
	"sync"

	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/note"
)

// maxPending is how many events one watch holds before it says that it lost
// count and its reader must read the log instead.
const maxPending = 256

// Watch is one subscriber's place in the hub: what came in since the
// subscriber last looked. It is bounded, and it never makes the hub wait.
type Watch struct {
	// C has a value when there is something to take.
	C    chan struct{}
	hub  *Hub
	keys []string

	mu       sync.Mutex
	events   []jobspec.Event
	overflow bool
	progress *jobspec.Progress
}

// Taken is what Take gives.
type Taken struct {
	// Events are in the order of their positions. A job's or translation's
	// state on its way that a newer one replaced is left out.
	Events []jobspec.Event
	// Overflow is true when events were dropped: read the log.
	Overflow bool
	// Progress is the latest report, nil when there was none.
	Progress *jobspec.Progress
}

// Take gives and forgets what came in.
func (w *Watch) Take() Taken {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := Taken{w.events, w.overflow, w.progress}
	w.events, w.overflow, w.progress = nil, false, nil
	return t
}

// Close leaves the hub.
func (w *Watch) Close() { w.hub.remove(w) }

func (w *Watch) add(e jobspec.Event) {
	w.mu.Lock()
	// A slow reader gets the latest state of each object.
	if i := slices.IndexFunc(w.events, func(o jobspec.Event) bool { return o.Object == e.Object && passing(o) }); i >= 0 {
		w.events = slices.Delete(w.events, i, i+1)
	}
	if len(w.events) >= maxPending {
		w.events, w.overflow = nil, true
	}
	w.events = append(w.events, e)
	w.mu.Unlock()
	w.signal()
}

// passing tells whether an event is of no interest once a newer one of its
// object is there. Final states are, and what happened to a note.
func passing(e jobspec.Event) bool {
	switch e.Type {
	case event.TypeJobChanged:
		return !job.Final(job.State(e.State))
	case event.TypeTranslationChanged:
		return e.State == string(note.Pending)
	}
	return false
}

func (w *Watch) lost() {
	w.mu.Lock()
	w.events, w.overflow = nil, true
	w.mu.Unlock()
	w.signal()
}

func (w *Watch) report(p jobspec.Progress) {
	w.mu.Lock()
	w.progress = &p
	w.mu.Unlock()
	w.signal()
}

func (w *Watch) signal() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}
