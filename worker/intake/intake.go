// Package intake takes a worker's messages off JOBS: it keeps the slots full as
// long as there is work, and never holds more messages than there are slots.
package intake

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// weights share the slots among lanes that have work waiting.
var weights = map[jobspec.Lane]float64{jobspec.LaneInteractive: 6, jobspec.LaneBulk: 1}

// Queue is the work of one kind and pool.
type Queue struct{ Kind, Pool string }

// Config describes an Intake; every field is needed.
type Config struct {
	Bus    *natsx.Bus
	Queues []Queue
	// Slots is how many messages may be held at once, over all queues.
	Slots int
	// AckWait is how long the server waits for a sign of life of a message.
	AckWait time.Duration
	Logger  *slog.Logger
	// Start is handed a message of Queues[queue], which holds a slot until Done is
	// called. It must not block, and not call the intake.
	Start func(queue int, d natsx.Delivery)
	// Refuse is handed a message that there is no slot for, to give it back.
	Refuse func(d natsx.Delivery)
}

// Intake fills free slots and never takes more than that. What to ask of which
// lane is its planner's decision.
type Intake struct {
	Config
	lanes  []*lane
	faulty chan struct{}

	mu      sync.Mutex
	planner *planner
	// giveUp ends the calls of the repair under way.
	giveUp context.CancelFunc
}

// New makes an intake with an interactive and a bulk lane for each queue. It asks
// for nothing before Run.
func New(c Config) *Intake {
	in := &Intake{Config: c, faulty: make(chan struct{}, 1)}
	var shares []float64
	for i, q := range c.Queues {
		for _, name := range []jobspec.Lane{jobspec.LaneInteractive, jobspec.LaneBulk} {
			in.lanes = append(in.lanes, newLane(in, i, q, name))
			shares = append(shares, weights[name])
		}
	}
	in.planner = newPlanner(c.Slots, shares)
	return in
}

// Message implements natsx.PullHandler.
func (l *lane) Message(d natsx.Delivery, last bool) {
	in := l.intake
	in.mu.Lock()
	admitted, planNow := in.planner.message(l.index, d.Pending, last)
	if admitted {
		in.Start(l.queue, d)
	}
	if planNow {
		in.ask()
	}
	in.mu.Unlock()
	if !admitted {
		in.Refuse(d)
	}
}

// Ended implements natsx.PullHandler.
func (l *lane) Ended(_ int, err error) {
	in := l.intake
	in.mu.Lock()
	defer in.mu.Unlock()
	in.planner.ended(l.index)
	if err != nil {
		in.Logger.Warn("a queue can't be read, opening it again", "consumer", l.consumer, "error", err)
		in.fail(l, err)
	}
	in.ask()
}

// Done frees the slot of a message.
func (in *Intake) Done() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.planner.done()
	in.ask()
}

// Stop ends the intake: no message is started after it returned, and what still
// comes is refused.
func (in *Intake) Stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.planner.close()
	for _, l := range in.lanes {
		l.puller.Cancel()
	}
}

// Reconnected forgets the open requests and calls: the server may have.
func (in *Intake) Reconnected() {
	in.mu.Lock()
	if in.giveUp != nil {
		in.giveUp()
	}
	in.mu.Unlock()
	for _, l := range in.lanes {
		l.puller.Fail(errors.New("the connection was lost"))
	}
}

// ask does what the planner decides. Holds mu.
func (in *Intake) ask() {
	for _, r := range in.planner.plan(time.Now()) {
		l := in.lanes[r.lane]
		var err error
		switch r.action {
		case take:
			err = l.puller.Take(r.count)
		case wait:
			err = l.puller.Wait(r.count)
		case callOff:
			if !l.puller.Cancel() {
				in.planner.tooLate(r.lane)
			}
		}
		if err != nil {
			in.fail(l, err)
		}
	}
}

// fail marks a lane for repair. Holds mu.
func (in *Intake) fail(l *lane, err error) {
	l.fault = err
	in.planner.broke(l.index)
	select {
	case in.faulty <- struct{}{}:
	default:
	}
}
