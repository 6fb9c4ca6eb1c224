package intake

import (
	"math"
	"time"
)

// probeInterval is how often at most a lane that was empty is looked at while
// all slots are busy with others.
const probeInterval = 2 * time.Millisecond

// action is what may be done about a lane.
type action int

const (
	// take asks for up to count messages that are there right now.
	take action = iota
	// wait asks for one message, whenever it comes.
	wait
	// callOff takes a waiting request back.
	callOff
)

// request is one thing to do about one lane.
type request struct {
	lane   int
	action action
	count  int
}

// planner decides what the lanes are asked for. It shares free slots among those
// known to have work by their weights (start-time fair queueing: Goyal, Vin,
// Cheng, 1996) and never asks for more than there is room for. All others it
// leaves one waiting request each, so that a message that comes is here at once
// and nobody polls. When no slot is free it calls the waiting requests off, so
// that other workers get what comes.
//
// It is told what happened and gives what to do; it does nothing itself, knows no
// time but that which it is given, and is not safe for concurrent use.
type planner struct {
	slots, running int
	closed         bool
	lanes          []laneState
	// free are the places of lanes that were removed.
	free []int
	// requests is what plan gave last; its room is used again.
	requests []request
}

// laneState is what the planner knows of a lane.
type laneState struct {
	weight float64
	// broken: the lane can't be asked before it was opened (again).
	broken bool
	// asked is the request that is open.
	asked asked
	// pending is how many messages were last known to be there, reserved how many
	// slots an open take holds.
	pending  uint64
	reserved int
	// served is the lane's virtual time: messages divided by weight.
	served float64
	// probed is when it was last looked at on the chance of finding something.
	probed time.Time

	// invited and granted live during one plan: whether the lane may get slots,
	// and how many it got.
	invited invitation
	granted int
}

type asked int

const (
	nothing asked = iota
	waiting
	taking
)

type invitation int

const (
	// uninvited: there is nothing to ask of the lane, or its waiting request
	// brings what is there anyway.
	uninvited invitation = iota
	// hasWork: it gets slots by its weight. One whose last request is still being
	// answered can't ask for more, but keeps its turn.
	hasWork
	// worthALook: it was empty, and no waiting request stands for it while the
	// slots are full. It gets the first slot, once.
	worthALook
)

// newPlanner makes a planner of lanes with these weights, none of them opened.
func newPlanner(slots int, weights []float64) *planner {
	p := &planner{slots: slots, lanes: make([]laneState, len(weights))}
	for i, w := range weights {
		p.lanes[i] = laneState{weight: w, broken: true}
	}
	return p
}

// add makes another lane, which is not opened yet, and gives its place: that of one
// that was removed, if there is one.
func (p *planner) add(weight float64) int {
	fresh := laneState{weight: weight, broken: true}
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free, p.lanes[i] = p.free[:n-1], fresh
		return i
	}
	p.lanes = append(p.lanes, fresh)
	return len(p.lanes) - 1
}

// remove says that nothing may be asked of lane i any more, and that nothing of it
// will be told. Messages that it brought keep their slots.
func (p *planner) remove(i int) {
	p.lanes[i] = laneState{weight: 1, broken: true}
	p.free = append(p.free, i)
}

// opened says that lane i can be asked.
func (p *planner) opened(i int) { p.lanes[i].broken = false }

// broke says that lane i lost its request, if it had one, and can't be asked
// before it was opened.
func (p *planner) broke(i int) {
	p.ended(i)
	p.lanes[i].broken = true
}

// ended says that lane i's request is over and nothing more is there.
func (p *planner) ended(i int) {
	l := &p.lanes[i]
	if l.reserved > 0 {
		l.served -= float64(l.reserved) / l.weight
		l.reserved, l.pending = 0, 0
	}
	l.asked = nothing
}

// tooLate says that lane i's waiting request could not be called off, because it is
// over already: what it brought will be told.
func (p *planner) tooLate(i int) { p.lanes[i].asked = waiting }

// message says that lane i brought a message, which fulfilled its request when it
// was the last, and that pending more are there. An admitted message has a slot
// until done; any other must be handed back. planNow tells whether it is time for
// plan.
func (p *planner) message(i int, pending uint64, last bool) (admitted, planNow bool) {
	l := &p.lanes[i]
	if l.pending == 0 {
		p.catchUp(i)
	}
	l.pending = pending
	if l.reserved > 0 {
		l.reserved--
	} else {
		l.served += 1 / l.weight
	}
	if last {
		l.asked = nothing
	}
	// More than was asked for comes only when a request was called off while its
	// message was on the way.
	if admitted = !p.closed && p.running < p.slots; admitted {
		p.running++
	}
	return admitted, last || p.running >= p.slots
}

// catchUp keeps a lane that had nothing to do from using up the time that it was
// idle.
func (p *planner) catchUp(i int) {
	least := math.Inf(1)
	for j := range p.lanes {
		if other := &p.lanes[j]; j != i && (other.pending > 0 || other.reserved > 0) {
			least = min(least, other.served)
		}
	}
	if !math.IsInf(least, 1) {
		p.lanes[i].served = max(p.lanes[i].served, least)
	}
}

// done says that a message's slot is free.
func (p *planner) done() { p.running-- }

// close says that no request is open any more and none may be made.
func (p *planner) close() {
	p.closed = true
	for i := range p.lanes {
		p.ended(i)
	}
}

// plan gives the requests that the free slots allow, and counts them as made; one
// that can't be made must be told by broke. They are valid until the next plan.
func (p *planner) plan(now time.Time) []request {
	p.requests = p.requests[:0]
	if p.closed {
		return nil
	}
	free := p.slots - p.running
	for i := range p.lanes {
		free -= p.lanes[i].reserved
	}
	if free > 0 && p.invite(now) {
		free -= p.grant(free)
	}
	for i := range p.lanes {
		l := &p.lanes[i]
		switch {
		case free > 0 && l.asked == nothing && !l.broken:
			l.asked, l.pending = waiting, 0
			p.requests = append(p.requests, request{lane: i, action: wait, count: 1})
		case free <= 0 && l.asked == waiting:
			l.asked = nothing
			p.requests = append(p.requests, request{lane: i, action: callOff})
		}
	}
	return p.requests
}

// invite finds out which lanes may get slots, and whether any is known to have
// work. Where none is, a waiting request for each is all that is needed.
func (p *planner) invite(now time.Time) bool {
	work := false
	for i := range p.lanes {
		l := &p.lanes[i]
		work = work || !l.broken && l.pending > 0
	}
	if !work {
		return false
	}
	for i := range p.lanes {
		l := &p.lanes[i]
		switch {
		case l.broken, l.asked == waiting:
			l.invited = uninvited
		case l.pending > 0:
			l.invited = hasWork
		case l.asked == nothing && now.Sub(l.probed) >= probeInterval:
			l.invited, l.probed = worthALook, now
		default:
			l.invited = uninvited
		}
	}
	return true
}

// grant shares free slots among the invited lanes and gives how many are spoken
// for.
func (p *planner) grant(free int) (given int) {
	for given < free {
		l := p.nextInTurn()
		if l == nil {
			break
		}
		if l.asked == taking {
			// The slots wait for the answer rather than go to another lane.
			given = free
			break
		}
		l.granted++
		l.served += 1 / l.weight
		given++
	}
	for i := range p.lanes {
		l := &p.lanes[i]
		if l.granted > 0 {
			p.requests = append(p.requests, request{lane: i, action: take, count: l.granted})
			l.asked, l.reserved, l.granted = taking, l.granted, 0
		}
	}
	return given
}

// nextInTurn is the lane that the next slot belongs to, nil when nobody wants it.
func (p *planner) nextInTurn() *laneState {
	var best *laneState
	for i := range p.lanes {
		l := &p.lanes[i]
		switch l.invited {
		case worthALook:
			if l.granted == 0 {
				return l
			}
		case hasWork:
			if uint64(l.reserved+l.granted) < l.pending && (best == nil || l.served < best.served) {
				best = l
			}
		}
	}
	return best
}
