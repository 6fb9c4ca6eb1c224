package store

import (
	"context"
	"log/slog"
	"time"
)

const (
	// scrubPause is how long the janitor waits for more to be erased.
	scrubPause = time.Second
	// scrubShare keeps the janitor from taking more than one part in so many of
	// the time, since nobody writes to SQLite while it works.
	scrubShare = 50
)

// Janitor makes the raw files of SQLite forget what was erased. On Postgres
// there is nothing for it to do.
type Janitor struct {
	Store *Store
	// Done is told how each round went. May be nil.
	Done func(error)
}

// Run works until ctx ends. It begins with what an earlier process left. A round
// begins a second after an erasure, so that those which come together share it,
// and later where rounds take long: 50 times as long as the last one took.
func (j *Janitor) Run(ctx context.Context) error {
	if j.Store.Postgres() {
		<-ctx.Done()
		return nil
	}
	if waits, err := j.Store.Unscrubbed(ctx); waits || err != nil {
		j.Store.tellJanitor()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-j.Store.erased:
		}
		if !sleep(ctx, scrubPause) || !sleep(ctx, j.round(ctx)) {
			return nil
		}
	}
}

// sleep waits and tells whether ctx goes on.
func sleep(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// round scrubs once and gives the pause until the next time.
func (j *Janitor) round(ctx context.Context) time.Duration {
	select { // what was erased by now is in this round
	case <-j.Store.erased:
	default:
	}
	start := time.Now()
	err := j.Store.Scrub(ctx)
	slog.DebugContext(ctx, "what was erased left the database's files", "took", time.Since(start), "error", err)
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "the database's files may still hold what was erased, trying again", "error", err)
		j.Store.tellJanitor()
	}
	if j.Done != nil {
		j.Done(err)
	}
	return scrubShare * time.Since(start)
}

// tellJanitor tells it that something was erased.
func (s *Store) tellJanitor() {
	select {
	case s.erased <- struct{}{}:
	default: // it is told already
	}
}
