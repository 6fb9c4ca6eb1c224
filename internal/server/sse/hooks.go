package sse

import "parley/internal/server/lasting"

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

// Hooks are told what happens. A stream is Opened when it was let in.
type Hooks = lasting.Hooks[*Stream, End]
