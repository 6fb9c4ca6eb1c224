package ws

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

func (t *Transport) isDraining() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.draining
}

// add registers a socket, unless the transport drains.
func (t *Transport) add(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return false
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *Transport) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	if t.draining && len(t.conns) == 0 {
		close(t.empty)
	}
}

// Len is the number of open sockets.
func (t *Transport) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

func (t *Transport) snapshot() []*Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Conn, 0, len(t.conns))
	for c := range t.conns {
		all = append(all, c)
	}
	return all
}

// Each calls f for every open socket, also those that have not authenticated.
// Sockets may open and close meanwhile.
func (t *Transport) Each(f func(*Conn)) {
	for _, c := range t.snapshot() {
		if !c.ending() {
			f(c)
		}
	}
}

// drain refuses new sockets from now on.
func (t *Transport) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.draining {
		t.draining = true
		if len(t.conns) == 0 {
			close(t.empty)
		}
	}
}

// CloseAll answers new sockets with 503 from now on and closes the open ones,
// each at a random moment within spread, so that their clients do not come back
// all at once. It returns when the last one and its operations have ended. When
// ctx ends before, the rest is closed at once and ctx's error returned.
func (t *Transport) CloseAll(ctx context.Context, code int, reason string, spread time.Duration) error {
	t.drain()
	conns := t.snapshot()
	moments := make([]time.Duration, len(conns))
	for i := range moments {
		moments[i] = time.Duration(rand.Int64N(max(int64(spread), 0) + 1))
	}
	slices.Sort(moments)
	start := time.Now()
	for i, c := range conns {
		wait(ctx, moments[i]-time.Since(start))
		c.retire(code, reason)
	}
	select {
	case <-t.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait sleeps for d, less when ctx ends.
func wait(ctx context.Context, d time.Duration) {
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

// Run waits for the end of ctx and then closes all sockets with 1012 over
// Config.DrainSpread. It returns when they are gone, at the latest once each
// could have been told and have answered.
func (t *Transport) Run(ctx context.Context) error {
	<-ctx.Done()
	limit := t.cfg.DrainSpread + t.cfg.AnswerTimeout + t.cfg.WriteTimeout + closeGrace + time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return t.CloseAll(ctx, CloseRestart, restartReason, t.cfg.DrainSpread)
}
