package lasting

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Registry holds the open connections of a transport. Its zero value is empty.
type Registry[C comparable] struct {
	mu       sync.Mutex
	open     map[C]struct{}
	draining bool
	empty    chan struct{} // made by Drain, closed when nothing is open any more
}

// Add registers a connection, unless the registry drains.
func (r *Registry[C]) Add(c C) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return false
	}
	if r.open == nil {
		r.open = map[C]struct{}{}
	}
	r.open[c] = struct{}{}
	return true
}

// Remove forgets a connection that has ended, if it was registered.
func (r *Registry[C]) Remove(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, was := r.open[c]; !was {
		return
	}
	delete(r.open, c)
	if r.draining && len(r.open) == 0 {
		close(r.empty)
	}
}

// Has tells whether the connection is registered.
func (r *Registry[C]) Has(c C) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, is := r.open[c]
	return is
}

// Len is the number of open connections.
func (r *Registry[C]) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// All gives the open connections. They may end meanwhile.
func (r *Registry[C]) All() []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]C, 0, len(r.open))
	for c := range r.open {
		all = append(all, c)
	}
	return all
}

// Draining tells whether Drain was called.
func (r *Registry[C]) Draining() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draining
}

// Drain refuses connections from now on.
func (r *Registry[C]) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return
	}
	r.draining, r.empty = true, make(chan struct{})
	if len(r.open) == 0 {
		close(r.empty)
	}
}

// CloseAll drains the registry and calls end for each connection at a random
// moment within spread, so that clients do not come back all at once. It returns
// when the last one is removed. When ctx ends before, end is called for the rest
// at once, and ctx's error returned.
func (r *Registry[C]) CloseAll(ctx context.Context, spread time.Duration, end func(C)) error {
	r.Drain()
	all := r.All()
	moments := make([]time.Duration, len(all))
	for i := range moments {
		moments[i] = time.Duration(rand.Int64N(max(int64(spread), 0) + 1))
	}
	slices.Sort(moments)
	start := time.Now()
	for i, c := range all {
		Wait(ctx, moments[i]-time.Since(start))
		end(c)
	}
	select {
	case <-r.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wait sleeps for d, less when ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	if d <= 0 || ctx.Err() != nil {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
