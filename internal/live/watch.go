package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"parley/internal/event"
	"parley/internal/jobspec"
)

// Policy is how a stream treats a reader that is slower than what happens.
type Policy struct {
	// Pending is how many events wait for the reader; with one more the watch
	// loses count and the reader must read the log instead. 0 means 64.
	Pending int
	// Conflate lets a state on its way stand for those of its object before it.
	Conflate bool
}

const defaultPending = 64

type policyKey struct{}

// WithPolicy gives a context whose streams have the policy.
func WithPolicy(ctx context.Context, p Policy) context.Context {
	return context.WithValue(ctx, policyKey{}, p)
}

func policyOf(ctx context.Context) Policy {
	p, _ := ctx.Value(policyKey{}).(Policy)
	if p.Pending <= 0 {
		p.Pending = defaultPending
	}
	return p
}

// Interest is what a Watch is about.
type Interest struct {
	// Audiences are those whose events come.
	Audiences []string
	// Keys choose among them: ids of objects, of their parents, audiences; and ids
	// of runs whose progress comes.
	Keys   []string
	Policy Policy
	// Wake is called when there is something to take. It must not block.
	Wake func()
}

// Watch is one subscriber's place in the hub: what came in since the
// subscriber last looked. It is bounded, and it never makes the hub wait.
type Watch struct {
	hub *Hub
	Interest

	mu       sync.Mutex
	events   []event.Event
	overflow bool
	// Of an overflow: nothing was dropped up to whole, and dropped is the position
	// of the last event that was, as far as that is known.
	whole      int64
	dropped    int64
	progressed bool
	expires    time.Time
	closed     bool
}

// Taken is what Take gives.
type Taken struct {
	// Events are in the order of their positions.
	Events []event.Event
	// Overflow is true when events were dropped: read the log behind Whole. Dropped
	// is the position of the last one, 0 when that is not known.
	Overflow bool
	Whole    int64
	Dropped  int64
	// Progressed is true when there was progress.
	Progressed bool
	// Expires is when the connection will be closed, if it is time to warn.
	Expires time.Time
}

// Watch registers a watch. The hub gets everything that the interest is about
// from before Watch returns.
func (h *Hub) Watch(i Interest) *Watch {
	if i.Policy.Pending <= 0 {
		i.Policy.Pending = defaultPending
	}
	w := &Watch{hub: h, Interest: i}
	h.subscribe(w, i.Audiences, i.Keys)
	return w
}

// Take gives and forgets what came in.
func (w *Watch) Take() Taken {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := Taken{w.events, w.overflow, w.whole, w.dropped, w.progressed, w.expires}
	w.hub.held.Add(-int64(len(w.events)))
	w.events, w.overflow, w.dropped, w.expires, w.progressed = nil, false, 0, time.Time{}, false
	return t
}

// Close leaves the hub.
func (w *Watch) Close() {
	w.mu.Lock()
	closed := w.closed
	w.closed = true
	w.mu.Unlock()
	if !closed {
		w.hub.unsubscribe(w, w.Audiences, w.Keys)
		w.Take()
	}
}

// Add watches one key more.
func (w *Watch) Add(key string) {
	w.hub.subscribe(w, nil, []string{key})
	w.Keys = append(w.Keys, key)
}

// Swap watches a key instead of another one.
func (w *Watch) Swap(old, fresh string) {
	i := slices.Index(w.Keys, old)
	if i < 0 || old == fresh {
		return
	}
	w.hub.unsubscribe(w, nil, []string{old})
	w.Keys[i] = fresh
	w.hub.subscribe(w, nil, []string{fresh})
}

// Join makes the watch hear of all events of more audiences, from before it returns.
func (w *Watch) Join(audiences ...string) {
	w.Audiences, w.Keys = append(w.Audiences, audiences...), append(w.Keys, audiences...)
	w.hub.subscribe(w, audiences, audiences)
}

// Leave ends that. Events that came before stay.
func (w *Watch) Leave(audience string) {
	a, k := slices.Index(w.Audiences, audience), slices.Index(w.Keys, audience)
	if a < 0 || k < 0 {
		return
	}
	w.Audiences, w.Keys = slices.Delete(w.Audiences, a, a+1), slices.Delete(w.Keys, k, k+1)
	w.hub.unsubscribe(w, []string{audience}, []string{audience})
}

func (w *Watch) add(e event.Event) {
	w.mu.Lock()
	if w.Policy.Conflate {
		// A slow reader gets the latest state of each object.
		if i := slices.IndexFunc(w.events, func(o event.Event) bool { return o.Object == e.Object && w.hub.passing(o) }); i >= 0 {
			w.events = slices.Delete(w.events, i, i+1)
			w.hub.held.Add(-1)
			w.hub.counts.Conflated.Add(1)
		}
	}
	if w.overflow || len(w.events) >= w.Policy.Pending || w.hub.held.Load() >= w.hub.maxHeld {
		w.drop(e.Position-1, e.Position)
	} else {
		w.events = append(w.events, e)
		w.hub.held.Add(1)
	}
	w.mu.Unlock()
	w.Wake()
}

// drop makes the reader read the log, because of something behind whole; w.mu is
// held.
func (w *Watch) drop(whole, last int64) {
	if !w.overflow {
		w.hub.counts.Overflows.Add(1)
		if w.whole = whole; len(w.events) > 0 {
			w.whole = min(whole, w.events[0].Position-1)
		}
	}
	w.hub.held.Add(-int64(len(w.events)))
	w.events, w.overflow, w.dropped = nil, true, max(w.dropped, last)
}

func (w *Watch) lost(whole int64) {
	w.mu.Lock()
	w.drop(whole, 0)
	w.mu.Unlock()
	w.Wake()
}

func (w *Watch) progress(jobspec.Progress) {
	w.mu.Lock()
	if w.progressed {
		w.hub.counts.Conflated.Add(1)
	}
	w.progressed = true
	w.mu.Unlock()
	w.Wake()
}

// expiring makes the reader warn that its connection will be closed.
func (w *Watch) expiring(at time.Time) {
	w.mu.Lock()
	w.expires = at
	w.mu.Unlock()
	w.Wake()
}
