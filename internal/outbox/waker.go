// Package outbox holds both pumps between the database and NATS: the relay
// takes committed rows to NATS, the recorder takes RESULTS to the job engine.
package outbox

import (
	"log/slog"

	"parley/internal/event"
	"parley/internal/natsx"
)

// Waker tells the relay, in whichever process it leads, that rows were
// committed.
type Waker struct {
	jobs, events chan struct{}
	bus          *natsx.Bus
}

// NewWaker makes a Waker. With a bus it wakes the relays of other processes
// too; without one only its own.
func NewWaker(bus *natsx.Bus) *Waker {
	return &Waker{jobs: make(chan struct{}, 1), events: make(chan struct{}, 1), bus: bus}
}

// Wake never blocks; calls that come before the relay looked count as one.
func (w *Waker) Wake() {
	w.local()
	if w.bus == nil {
		return
	}
	if err := w.bus.Conn().Publish(event.SubjectWake, nil); err != nil {
		slog.Debug("the relay was not woken, its poll will find the rows", "error", err)
	}
}

func (w *Waker) local() {
	signal(w.jobs)
	signal(w.events)
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
