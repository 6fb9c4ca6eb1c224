package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"time"
)

// Scrub makes SQLite's files forget what was deleted before the call; on
// Postgres it does nothing. While it runs, writers wait: about a second for each
// 100 MB of the file.
//
// With secure_delete, which every connection has on, SQLite overwrites what it
// frees: cells, overflow pages and whole pages. But when rows move between the
// leaves of a tree, it leaves copies of them in the unused middle of the pages
// that they moved from (rebuildPage in its btree.c), and those outlive the rows.
// Only VACUUM, which writes every page anew, is sure to remove them. Then the
// write-ahead log, which still has older versions of pages, is emptied.
func (s *Store) Scrub(ctx context.Context) error {
	if s.Postgres() {
		return nil
	}
	path, err := sqlitePath(s.url)
	if err != nil {
		return err
	}
	start := time.Now()
	// On the one connection that writes: writers queue for it, whereas a lock of
	// the database would refuse those that wait for too long.
	if _, err := s.writer.ExecContext(ctx, "VACUUM"); err != nil {
		return translate(fmt.Errorf("vacuum %s: %w", path, err))
	}
	// A connection of its own, with little patience: a checkpoint that truncates
	// keeps writers waiting for as long as it waits for readers.
	own, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_busy_timeout=100&_secure_delete=on")
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = own.Close() }()
	own.SetMaxOpenConns(1)
	if err := truncateLog(ctx, own); err != nil {
		return err
	}
	// A number in the header of the file, which VACUUM keeps; last, since a process
	// that is killed before has to begin anew.
	if _, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", start.Unix()/60)); err != nil {
		return translate(fmt.Errorf("note when %s was scrubbed: %w", path, err))
	}
	return truncateLog(ctx, own) // of that one page
}

// Scrubbed gives the time, to the minute, before which everything that was
// deleted is out of SQLite's database file; zero when it never was scrubbed, and
// on Postgres now.
func (s *Store) Scrubbed(ctx context.Context) (time.Time, error) {
	if s.Postgres() {
		return time.Now(), nil
	}
	var minutes int64
	if err := s.reader.QueryRowContext(ctx, "PRAGMA user_version").Scan(&minutes); err != nil {
		return time.Time{}, translate(fmt.Errorf("read when the database was scrubbed: %w", err))
	}
	return time.Unix(minutes*60, 0), nil
}

// truncateLog moves the write-ahead log into the database and empties it, which
// succeeds only at a moment in which nobody reads from the log: it tries again
// with growing pauses until it did.
func truncateLog(ctx context.Context, db *sql.DB) error {
	const longest = 2 * time.Second
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, longest) {
		var busy, frames, moved int
		if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil {
			return fmt.Errorf("empty the write-ahead log: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
