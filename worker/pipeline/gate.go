package pipeline

import "context"

// Lane is how long a run of a model may hold up others.
type Lane int

// The lanes. Runs of one never wait for those of another: the operating system shares
// the cores among them, as the threads of no run spin.
const (
	// LaneText is for texts that are written, step by step.
	LaneText Lane = iota
	// LaneQuery is for short runs that somebody waits for, such as a query's vector.
	LaneQuery
	// LanePicture is for long runs.
	LanePicture
	lanes
)

// Gate lets a bounded number of model runs happen at once, so that models don't
// fight over the cores. Share one among all pipelines of a process.
type Gate struct{ room [lanes]chan struct{} }

// NewGate makes a gate for n runs at once, 1 at least, in each lane.
func NewGate(n int) *Gate {
	g := &Gate{}
	for i := range g.room {
		g.room[i] = make(chan struct{}, max(1, n))
	}
	return g
}

// Enter waits for room in a lane, in the order of the calls; Leave must follow when it
// succeeds. It fails with the error of ctx alone.
func (g *Gate) Enter(ctx context.Context, l Lane) error {
	select {
	case g.room[l] <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave makes room for another run.
func (g *Gate) Leave(l Lane) { <-g.room[l] }

// Within calls do in a lane. It fails with the error of ctx or of do.
func (g *Gate) Within(ctx context.Context, l Lane, do func() error) error {
	if err := g.Enter(ctx, l); err != nil {
		return err
	}
	defer g.Leave(l)
	return do()
}
