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
type Queue struct {
	Kind, Pool string
	// Start is handed a message, which holds a slot until Done is called. It must
	// not block, and not call the intake.
	Start func(d natsx.Delivery)
}

// Config describes an Intake; every field is needed.
type Config struct {
	Bus *natsx.Bus
	// Slots is how many messages may be held at once, over all queues.
	Slots int
	// AckWait is how long the server waits for a sign of life of a message.
	AckWait time.Duration
	Logger  *slog.Logger
	// Refuse is handed a message that there is no slot for, to give it back.
	Refuse func(d natsx.Delivery)
}

// Intake fills free slots and never takes more than that. What to ask of which
// lane is its planner's decision.
type Intake struct {
	Config
	faulty chan struct{}

	mu sync.Mutex
	// lanes have the places that the planner gave them; nil where one was removed.
	lanes   []*lane
	planner *planner
	// giveUp ends the calls of the repair under way.
	giveUp context.CancelFunc
}

// New makes an intake without queues. It asks for nothing before Run.
func New(c Config) *Intake {
	return &Intake{Config: c, faulty: make(chan struct{}, 1), planner: newPlanner(c.Slots, nil)}
}

// Add takes messages of another queue too, with an interactive and a bulk lane.
func (in *Intake) Add(q Queue) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, name := range []jobspec.Lane{jobspec.LaneInteractive, jobspec.LaneBulk} {
		l := newLane(in, q, name)
		l.index = in.planner.add(weights[name])
		if l.index == len(in.lanes) {
			in.lanes = append(in.lanes, nil)
		}
		in.lanes[l.index] = l
		in.fail(l, errUnopened)
	}
}

// Remove takes nothing of a queue any more: no message of it is started after Remove
// returned, and what still comes is refused. Its consumers stay, for other workers and
// for what waits in them.
func (in *Intake) Remove(kind, pool string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, l := range in.lanes {
		if l == nil || l.queue.Kind != kind || l.queue.Pool != pool {
			continue
		}
		l.removed = true
		l.puller.Cancel()
		in.lanes[i] = nil
		in.planner.remove(i)
	}
	// What the lanes had asked for is free for others.
	in.ask()
}

// all gives the lanes.
func (in *Intake) all() []*lane {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := make([]*lane, 0, len(in.lanes))
	for _, l := range in.lanes {
		if l != nil {
			list = append(list, l)
		}
	}
	return list
}

// Message implements natsx.PullHandler.
func (l *lane) Message(d natsx.Delivery, last bool) {
	in := l.intake
	in.mu.Lock()
	if l.removed {
		in.mu.Unlock()
		in.Refuse(d)
		return
	}
	admitted, planNow := in.planner.message(l.index, d.Pending, last)
	if admitted {
		l.queue.Start(d)
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
	if l.removed {
		return
	}
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
		if l != nil {
			l.puller.Cancel()
		}
	}
}

// Reconnected forgets the open requests and calls: the server may have.
func (in *Intake) Reconnected() {
	in.mu.Lock()
	if in.giveUp != nil {
		in.giveUp()
	}
	in.mu.Unlock()
	for _, l := range in.all() {
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
