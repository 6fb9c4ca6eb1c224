package lasting

import "time"

// Hooks are told what happens on the connections of a transport, for metrics; each
// may be nil. C is a connection and E how it ended. They run on the connections'
// own goroutines and must be quick.
type Hooks[C, E any] struct {
	// Opened is told of each connection.
	Opened func(C)
	// Closed follows each Opened, once.
	Closed func(C, E)
	// OperationStarted is told of each operation that passed validation and
	// limits; kind is query, mutation or subscription.
	OperationStarted func(kind string)
	// OperationEnded follows each OperationStarted. failed is true when the
	// operation ended with an error of its own.
	OperationEnded func(kind string, took time.Duration, failed bool)
	// OperationRefused is told of each operation that never started: invalid,
	// or over a limit.
	OperationRefused func()
	// Overflow is told of each reader that was cut off because it accepted
	// nothing for the transport's WriteTimeout; Closed follows.
	Overflow func(C)
}

// WithDefaults gives hooks that can all be called.
func (h Hooks[C, E]) WithDefaults() Hooks[C, E] {
	if h.Opened == nil {
		h.Opened = func(C) {}
	}
	if h.Closed == nil {
		h.Closed = func(C, E) {}
	}
	if h.OperationStarted == nil {
		h.OperationStarted = func(string) {}
	}
	if h.OperationEnded == nil {
		h.OperationEnded = func(string, time.Duration, bool) {}
	}
	if h.OperationRefused == nil {
		h.OperationRefused = func() {}
	}
	if h.Overflow == nil {
		h.Overflow = func(C) {}
	}
	return h
}
