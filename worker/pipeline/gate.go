package pipeline

import "context"

// Gate lets a bounded number of model runs happen at once, so that models don't
// fight over the cores. Share one among all pipelines of a process.
type Gate struct{ room chan struct{} }

// NewGate makes a gate for n runs at once, 1 at least.
func NewGate(n int) *Gate { return &Gate{room: make(chan struct{}, max(1, n))} }

// Enter waits for room; Leave must follow when it succeeds. It fails with the
// error of ctx alone.
func (g *Gate) Enter(ctx context.Context) error {
	select {
	case g.room <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave makes room for another run.
func (g *Gate) Leave() { <-g.room }
