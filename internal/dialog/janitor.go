package dialog

import (
	"context"
	"database/sql"
	"log/slog"
	"time"
)

const (
	// forgetPause is the least time between two rounds of the janitor.
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
// until ctx ends. It begins with what an earlier process left. A round comes a
// second after an erasure, later where rounds take long: 50 times as long as the
// last one took. On Postgres there is nothing for it to do.
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
		pause := s.forget(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// forget is a round of the janitor; it gives the pause until the next.
func (s *Service) forget(ctx context.Context) time.Duration {
	start := time.Now()
	err := s.store.Scrub(ctx)
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "the database's files may still hold erased dialogs, trying again", "error", err)
		s.forgetSoon()
	}
	if s.forgot != nil {
		s.forgot(err)
	}
	return max(forgetPause, forgetShare*time.Since(start))
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
