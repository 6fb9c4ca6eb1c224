package dialog

import (
	"context"
	"database/sql"
	"log/slog"
	"time"
)

const (
	// forgetPause is how long the janitor waits for more to be erased.
	forgetPause = time.Second
	// forgetShare keeps the janitor from taking more than one part in so many of
	// the time, since nobody writes to SQLite while it works.
	forgetShare = 50
)

// forgetSoon tells the janitor that something was erased.
func (s *Service) forgetSoon() {
	select {
	case s.erased <- struct{}{}:
	default: // it is told already
	}
}

// Run is the janitor: it makes the raw files of SQLite forget what was erased,
// until ctx ends. It begins with what an earlier process left. A round begins a
// second after an erasure, so that those which come together share it, and later
// where rounds take long: 50 times as long as the last one took. On Postgres there
// is nothing for it to do.
func (s *Service) Run(ctx context.Context) error {
	if s.store.Postgres() {
		<-ctx.Done()
		return nil
	}
	if old, err := s.unforgotten(ctx); old || err != nil {
		s.forgetSoon()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.erased:
		}
		if !sleep(ctx, forgetPause) || !sleep(ctx, s.forget(ctx)) {
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

// forget is a round of the janitor; it gives the pause until the next.
func (s *Service) forget(ctx context.Context) time.Duration {
	select { // what was erased by now is in this round
	case <-s.erased:
	default:
	}
	start := time.Now()
	err := s.store.Scrub(ctx)
	slog.DebugContext(ctx, "erased dialogs left the database's files", "took", time.Since(start), "error", err)
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "the database's files may still hold erased dialogs, trying again", "error", err)
		s.forgetSoon()
	}
	if s.forgot != nil {
		s.forgot(err)
	}
	return forgetShare * time.Since(start)
}

// unforgotten tells whether something was erased since the last round.
func (s *Service) unforgotten(ctx context.Context) (bool, error) {
	scrubbed, err := s.store.Scrubbed(ctx)
	if err != nil {
		return false, err
	}
	var last time.Time
	err = s.query(ctx, "look for the last erasure", func(rows *sql.Rows) error { return rows.Scan(&last) },
		"SELECT erased_at FROM dialog_tombstones ORDER BY erased_at DESC LIMIT 1")
	return !last.Before(scrubbed), err
}
