package ws

import "time"

// Hooks are told what happens, for metrics; each may be nil. They run on the
// socket's own goroutines and must be quick.
type Hooks struct {
	// Opened is told of each socket, before it has authenticated.
	Opened func(*Conn)
	// Closed is told of each socket that was opened, once, with the close code
	// that was sent or received; 1006 when the connection was lost, 1005 when
	// the peer gave none.
	Closed func(c *Conn, code int)
	// OperationStarted is told of each operation that passed validation and
	// limits; kind is query, mutation or subscription.
	OperationStarted func(kind string)
	// OperationEnded follows each OperationStarted. failed is true when the
	// operation ended with an error message.
	OperationEnded func(kind string, took time.Duration, failed bool)
	// OperationRefused is told of each operation that never started: invalid,
	// or over a limit.
	OperationRefused func()
	// Overflow is told of each reader that was cut off because it accepted
	// nothing for Config.WriteTimeout; Closed follows with 1013.
	Overflow func(*Conn)
}

func (h Hooks) withDefaults() Hooks {
	if h.Opened == nil {
		h.Opened = func(*Conn) {}
	}
	if h.Closed == nil {
		h.Closed = func(*Conn, int) {}
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
		h.Overflow = func(*Conn) {}
	}
	return h
}
