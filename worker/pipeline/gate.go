package pipeline

import "context"

// Gate lets a bounded number of model runs happen at once, so that models don't
// fight over the cores. Share one among all pipelines of a process.
type Gate struct{ room chan struct{} }

// NewGate makes a gate for n runs at once, 1 at least.
func NewGate(n int) *Gate { return &Gate{room: make(chan struct{}, max(1, n))} }

// enter waits for room; leave must follow when it succeeds.
func (g *Gate) enter(ctx context.Context) error {
	select {
	case g.room <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Gate) leave() { <-g.room }
