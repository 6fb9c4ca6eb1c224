package natsx

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is a pause that doubles from First to Most, with an eighth of jitter
// either way, until Reset. It is for one goroutine.
type Backoff struct {
	First, Most time.Duration
	next        time.Duration
}

// Reset makes the next pause the first one again.
func (b *Backoff) Reset() { b.next = 0 }

// Wait blocks for the next pause or until ctx ends.
func (b *Backoff) Wait(ctx context.Context) {
	if b.next == 0 {
		b.next = b.First
	}
	d := b.next
	b.next = min(2*b.next, b.Most)
	t := time.NewTimer(d - d/8 + rand.N(d/4+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
