package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Lock is an advisory lock of Postgres; each is for one kind of work.
type Lock int64

// The locks of the processes that lead.
const (
	// LockRelay is that of the relay, LockIndexing that of whoever keeps search
	// indexes current, LockVectors that of whoever writes a shared database of vectors.
	LockRelay    Lock = 0x7061726c6579 // "parley"
	LockIndexing Lock = 0x7061726c6579 + 1
	LockVectors  Lock = 0x7061726c6579 + 2
)

// Leader lets one process at a time do some work.
type Leader struct {
	Store *Store
	Lock  Lock
	// Work is what the work is called in logs.
	Work string
	// Retry is how often a process asks whether it may lead, Check how often
	// the one that leads looks after its lock.
	Retry, Check time.Duration
}

// Lead calls work whenever this process leads, until ctx ends. work's context
// ends when the lead is lost. SQLite has one process, which always leads.
func (l *Leader) Lead(ctx context.Context, work func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		err := l.term(ctx, work)
		if err != nil && ctx.Err() == nil {
			slog.Warn("this process stopped leading, it tries again", "work", l.Work, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.Retry):
		}
	}
	return nil
}

// term is one time of leading; it returns at once when another process leads.
func (l *Leader) term(ctx context.Context, work func(ctx context.Context) error) error {
	if !l.Store.Postgres() {
		return work(ctx)
	}
	conn, err := l.Store.DB().Conn(ctx)
	if err != nil {
		return fmt.Errorf("get a connection for the lock: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var mine bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(l.Lock)).Scan(&mine); err != nil {
		return fmt.Errorf("ask for the lock of %s: %w", l.Work, err)
	}
	if !mine {
		return nil
	}
	slog.Info("this process leads", "work", l.Work)
	defer l.release(ctx, conn)
	term, cancel := context.WithCancel(ctx)
	var guarding sync.WaitGroup
	defer guarding.Wait()
	defer cancel()
	guarding.Go(func() { l.guard(term, conn, cancel) })
	return work(term)
}

// guard ends the term when the connection, and with it the lock, is gone.
func (l *Leader) guard(ctx context.Context, conn *sql.Conn, lost func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.Check):
		}
		ping, cancel := context.WithTimeout(ctx, l.Check)
		err := conn.PingContext(ping)
		cancel()
		if err != nil && ctx.Err() == nil {
			lost()
			return
		}
	}
}

func (l *Leader) release(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(l.Lock)); err != nil {
		slog.Debug("the lock ends with its connection", "work", l.Work, "error", err)
	}
}
