package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Erased notes that the transaction of the context deletes what must leave the
// database's files as well. The files of SQLite are scrubbed by the Janitor soon
// after the commit, by that of the next process if this one ends before; those of
// Postgres are the operator's.
func (s *Store) Erased(ctx context.Context) error {
	if s.Postgres() {
		return nil
	}
	if !InTx(ctx) {
		return errors.New("store: Erased outside of a transaction")
	}
	n, err := s.erasures(ctx)
	if err != nil {
		return err
	}
	AfterCommit(ctx, s.tellJanitor)
	return s.setErasures(ctx, n+1)
}

// Unscrubbed tells whether something was erased since SQLite's files were
// scrubbed; on Postgres nothing was.
func (s *Store) Unscrubbed(ctx context.Context) (bool, error) {
	if s.Postgres() {
		return false, nil
	}
	n, err := s.erasures(ctx)
	return n > 0, err
}

// erasures gives how many transactions erased something since the last scrub. It
// is a number in the header of SQLite's file that is for applications, which
// takes part in transactions and outlives VACUUM.
func (s *Store) erasures(ctx context.Context) (n int64, err error) {
	err = s.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "PRAGMA user_version")
	if err != nil {
		return 0, fmt.Errorf("read whether the database must be scrubbed: %w", err)
	}
	return n, nil
}

func (s *Store) setErasures(ctx context.Context, n int64) error {
	if _, err := s.Exec(ctx, fmt.Sprintf("PRAGMA user_version = %d", n)); err != nil {
		return fmt.Errorf("note whether the database must be scrubbed: %w", err)
	}
	return nil
}

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
	before, err := s.erasures(ctx)
	if err != nil {
		return err
	}
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
	// Last, since a process that is killed before has to begin anew. What was
	// erased meanwhile is for the next time.
	err = s.Tx(ctx, func(ctx context.Context) error {
		now, err := s.erasures(ctx)
		if err != nil || now != before {
			return err
		}
		return s.setErasures(ctx, 0)
	})
	if err != nil {
		return err
	}
	return truncateLog(ctx, own) // of that one page
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
