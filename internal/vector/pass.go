package vector

import (
	"context"
	"sync"
)

// maxShared is how many searches share one pass over the rows: while a block is
// in the processor's cache, all of them look at it.
const maxShared = 16

// passes lets searches that come while others are scanned gather for the next
// pass. Each caller waits for its own, so there are never more of them waiting
// than callers.
type passes struct {
	scan    func([]*search)
	mu      sync.Mutex
	waiting []*search
	running bool
}

// do returns when the search was scanned, or with the error of ctx.
func (p *passes) do(ctx context.Context, s *search) error {
	p.mu.Lock()
	p.waiting = append(p.waiting, s)
	if !p.running {
		p.running = true
		go p.run()
	}
	p.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run makes passes until nobody waits.
func (p *passes) run() {
	for {
		p.mu.Lock()
		n := min(len(p.waiting), maxShared)
		if n == 0 {
			p.running, p.waiting = false, nil
			p.mu.Unlock()
			return
		}
		together := p.waiting[:n:n]
		p.waiting = p.waiting[n:]
		p.mu.Unlock()
		p.scan(together)
		for _, s := range together {
			close(s.done)
		}
	}
}
