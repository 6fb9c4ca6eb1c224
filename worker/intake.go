package worker

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

const (
	// maxDeliver is how often a message is handed out before it stays on the
	// stream for the rescuer: it may be what kills the workers.
	maxDeliver = 5
	// maxAckPending bounds what all workers together hold of one lane.
	maxAckPending = 16384
	// probeInterval is how often at most a lane that was empty is looked at
	// while all slots are busy with others.
	probeInterval = 2 * time.Millisecond
)

// weights share the slots among lanes that have work waiting.
var weights = map[jobspec.Lane]float64{jobspec.LaneInteractive: 6, jobspec.LaneBulk: 1}

// lane is one durable consumer with the handler that its messages are for.
type lane struct {
	intake   *intake
	name     jobspec.Lane
	bundle   jobspec.Bundle
	handler  Handler
	weight   float64
	consumer string
	puller   *natsx.Puller

	// Guarded by intake.mu. pending is how many messages the server was last
	// known to have waiting; reserved how many slots an open Take holds; served
	// the lane's virtual time, messages divided by weight. fault is why the
	// consumer must be opened (again) before it is asked.
	pending  uint64
	reserved int
	served   float64
	probed   time.Time
	fault    error
}

// intake fills free slots and never takes more than that. It asks a lane that is
// known to have work for as much as there is room, by the lanes' weights
// (start-time fair queueing: Goyal, Vin, Cheng, 1996); all others it leaves one
// waiting request each, so that a message that comes is here at once and nobody
// polls. When no slot is free it calls the waiting requests off, so that other
// workers get what comes.
type intake struct {
	worker *Worker
	start  func(*lane, natsx.Delivery)
	lanes  []*lane
	faulty chan struct{}

	mu      sync.Mutex
	running int
	stopped bool
	// giveUp ends the calls of the repair under way.
	giveUp context.CancelFunc
}

var errUnopened = errors.New("not opened yet")

func newIntake(w *Worker, start func(*lane, natsx.Delivery)) *intake {
	in := &intake{worker: w, start: start, faulty: make(chan struct{}, 1)}
	for _, h := range w.Handlers {
		b := h.Bundle()
		for _, name := range []jobspec.Lane{jobspec.LaneInteractive, jobspec.LaneBulk} {
			l := &lane{
				intake: in, name: name, bundle: b, handler: h, weight: weights[name], fault: errUnopened,
				consumer: jobspec.JobConsumer(b.Kind, b.Pool, name),
			}
			l.puller = w.Bus.NewPuller(jobspec.StreamJobs, l.consumer, l)
			in.lanes = append(in.lanes, l)
		}
	}
	return in
}

// Message implements natsx.PullHandler.
func (l *lane) Message(d natsx.Delivery, last bool) {
	in := l.intake
	in.mu.Lock()
	if l.pending == 0 {
		in.wake(l)
	}
	l.pending = d.Pending
	if l.reserved > 0 {
		l.reserved--
	} else {
		l.served += 1 / l.weight
	}
	// More than was asked for comes only when a request was called off while
	// its message was on the way.
	surplus := in.stopped || in.running >= in.worker.Slots
	if !surplus {
		in.running++
		in.start(l, d)
	}
	if last || in.running >= in.worker.Slots {
		in.plan()
	}
	in.mu.Unlock()
	if surplus {
		in.worker.giveBack(d)
	}
}

// Ended implements natsx.PullHandler.
func (l *lane) Ended(_ int, err error) {
	in := l.intake
	in.mu.Lock()
	defer in.mu.Unlock()
	if l.reserved > 0 {
		l.served -= float64(l.reserved) / l.weight
		l.reserved, l.pending = 0, 0
	}
	if err != nil {
		in.worker.Logger.Warn("a queue can't be read, opening it again", "consumer", l.consumer, "error", err)
		in.fail(l, err)
	}
	in.plan()
}

// fail marks a lane for repair. Holds mu.
func (in *intake) fail(l *lane, err error) {
	l.fault = err
	select {
	case in.faulty <- struct{}{}:
	default:
	}
}

// done frees a slot.
func (in *intake) done() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.running--
	in.plan()
}

// stop ends the intake; what still comes is handed back.
func (in *intake) stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = true
	for _, l := range in.lanes {
		l.puller.Cancel()
	}
}

// reconnected forgets the open requests and calls: the server may have.
func (in *intake) reconnected() {
	in.mu.Lock()
	if in.giveUp != nil {
		in.giveUp()
	}
	in.mu.Unlock()
	for _, l := range in.lanes {
		l.puller.Fail(errors.New("the connection was lost"))
	}
}

// wake keeps a lane that had nothing to do from using up the time it was idle.
// Holds mu.
func (in *intake) wake(l *lane) {
	least := math.Inf(1)
	for _, other := range in.lanes {
		if other != l && (other.pending > 0 || other.reserved > 0) {
			least = min(least, other.served)
		}
	}
	if !math.IsInf(least, 1) {
		l.served = max(l.served, least)
	}
}

// plan makes the requests that the free slots allow. Holds mu.
func (in *intake) plan() {
	if in.stopped {
		return
	}
	free := in.worker.Slots - in.running
	for _, l := range in.lanes {
		free -= l.reserved
	}
	if free > 0 {
		free -= in.grant(free)
	}
	for _, l := range in.lanes {
		open, _, waiting := l.puller.Open()
		switch {
		case free > 0 && !open && l.fault == nil:
			l.pending = 0
			if err := l.puller.Wait(1); err != nil {
				in.fail(l, err)
			}
		case free <= 0 && open && waiting:
			l.puller.Cancel()
		}
	}
}

// contender is a lane that wants slots. One whose last request is still being
// answered is busy: it can't ask for more, but keeps its turn.
type contender struct {
	*lane
	share int
	busy  bool
}

// grant shares free slots among the lanes that have work, asks for it, and
// returns how many slots are spoken for. Holds mu.
func (in *intake) grant(free int) (given int) {
	lanes := in.contenders()
	for given < free {
		var best *contender
		for i := range lanes {
			c := &lanes[i]
			probe := c.pending == 0 && c.share == 0
			if probe {
				best = c
				break
			}
			if uint64(c.reserved+c.share) < c.pending && (best == nil || c.served < best.served) {
				best = c
			}
		}
		if best == nil {
			break
		}
		if best.busy {
			// The slots wait for the answer rather than go to another lane.
			given = free
			break
		}
		best.share++
		best.served += 1 / best.weight
		given++
	}
	for _, c := range lanes {
		if c.share == 0 {
			continue
		}
		c.reserved = c.share
		if err := c.puller.Take(c.share); err != nil {
			c.reserved = 0
			in.fail(c.lane, err)
		}
	}
	return given
}

// contenders are the lanes that have work waiting. Where there is any, those that
// were empty are looked at again from time to time, with the first slot: no
// waiting request stands for them while the slots are full. Holds mu.
func (in *intake) contenders() []contender {
	hot := false
	for _, l := range in.lanes {
		hot = hot || l.fault == nil && l.pending > 0
	}
	if !hot {
		return nil
	}
	var list []contender
	now := time.Now()
	for _, l := range in.lanes {
		open, _, waiting := l.puller.Open()
		switch {
		case l.fault != nil, open && waiting:
			// Nothing to ask of it, or the server hands over what is there anyway.
		case l.pending > 0:
			list = append(list, contender{lane: l, busy: open})
		case !open && now.Sub(l.probed) >= probeInterval:
			l.probed = now
			list = append(list, contender{lane: l})
		}
	}
	return list
}

// run opens the consumers, again when they are lost, and looks after requests
// that the server forgot, until ctx ends.
func (in *intake) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	pause := natsx.Backoff{First: 50 * time.Millisecond, Most: 10 * time.Second}
	in.repair(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, l := range in.lanes {
				l.puller.Check(now)
			}
			if len(in.broken()) == 0 {
				pause.Reset()
			}
		case <-in.faulty:
			pause.Wait(ctx)
			in.repair(ctx)
		}
	}
}

// broken lists the lanes that must be opened.
func (in *intake) broken() []*lane {
	in.mu.Lock()
	defer in.mu.Unlock()
	var list []*lane
	for _, l := range in.lanes {
		if l.fault != nil {
			list = append(list, l)
		}
	}
	return list
}

// repair opens the consumers of faulty lanes. Where that fails, it asks to be
// called again.
func (in *intake) repair(ctx context.Context) {
	faulty := in.broken()
	if len(faulty) == 0 {
		return
	}
	ctx, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	in.mu.Lock()
	in.giveUp = end
	in.mu.Unlock()
	err := in.worker.Bus.EnsureStreams(ctx)
	for _, l := range faulty {
		fault := err
		if fault == nil {
			fault = l.open(ctx)
		}
		if fault != nil && !errors.Is(fault, context.Canceled) {
			in.worker.Logger.Warn("a queue can't be opened, trying again", "consumer", l.consumer, "error", fault)
		}
		in.mu.Lock()
		if fault != nil {
			in.fail(l, fault)
		} else {
			l.fault = nil
			in.plan()
		}
		in.mu.Unlock()
	}
}

// open makes sure of the lane's durable consumer.
func (l *lane) open(ctx context.Context) error {
	w := l.intake.worker
	_, err := w.Bus.JetStream().CreateOrUpdateConsumer(ctx, jobspec.StreamJobs, jetstream.ConsumerConfig{
		Durable:       l.consumer,
		FilterSubject: jobspec.JobFilter(l.bundle.Kind, l.bundle.Pool, l.name),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       w.AckWait,
		MaxDeliver:    maxDeliver,
		MaxAckPending: maxAckPending,
		MaxWaiting:    4096,
	})
	return err
}
