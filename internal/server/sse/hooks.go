package sse

import "time"

// End says why a stream has ended.
type End string

// The ends of a stream.
const (
	// EndComplete is that of a stream whose only operation is complete.
	EndComplete End = "complete"
	// EndLost is that of a connection which the client closed or lost.
	EndLost End = "lost"
	// EndClosed is that of a stream which the server ended: Stream.Close, an
	// expiry, a restart.
	EndClosed End = "closed"
	// EndOverflow is that of a reader who accepted nothing for
	// Config.WriteTimeout.
	EndOverflow End = "overflow"
)

// Hooks are told what happens, for metrics; each may be nil. They run on the
// streams' own goroutines and must be quick.
type Hooks struct {
	// Opened is told of each stream that was let in.
	Opened func(*Stream)
	// Closed follows each Opened.
	Closed func(s *Stream, why End)
	// OperationStarted is told of each operation that passed validation and
	// limits; kind is query, mutation or subscription.
	OperationStarted func(kind string)
	// OperationEnded follows each OperationStarted. failed is true when the
	// operation ended with an error of its own (see Fail).
	OperationEnded func(kind string, took time.Duration, failed bool)
	// OperationRefused is told of each operation that never started: invalid,
	// or over a limit.
	OperationRefused func()
	// Overflow is told of each reader that was cut off because it accepted
	// nothing for Config.WriteTimeout; Closed follows with EndOverflow.
	Overflow func(*Stream)
}

func (h Hooks) withDefaults() Hooks {
	if h.Opened == nil {
		h.Opened = func(*Stream) {}
	}
	if h.Closed == nil {
		h.Closed = func(*Stream, End) {}
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
		h.Overflow = func(*Stream) {}
	}
	return h
}
