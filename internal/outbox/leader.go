package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/internal/store"
)

// lockID is the advisory lock of the relay that leads.
const lockID = 0x7061726c6579 // "parley"

// leader lets one process at a time do the relay's work.
type leader struct {
	store *store.Store
	// retry is how often a process asks whether it may lead, check how often
	// the one that leads looks after its lock.
	retry, check time.Duration
}

// Lead calls work whenever this process leads, until ctx ends. work's context
// ends when the lead is lost. SQLite has one process, which always leads.
func (l *leader) Lead(ctx context.Context, work func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		err := l.term(ctx, work)
		if err != nil && ctx.Err() == nil {
			slog.Warn("the relay stopped leading, it tries again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.retry):
		}
	}
	return nil
}

// term is one time of leading; it returns at once when another process leads.
func (l *leader) term(ctx context.Context, work func(ctx context.Context) error) error {
	if !l.store.Postgres() {
		return work(ctx)
	}
	conn, err := l.store.DB().Conn(ctx)
	if err != nil {
		return fmt.Errorf("get a connection for the lock: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var mine bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", lockID).Scan(&mine); err != nil {
		return fmt.Errorf("ask for the relay's lock: %w", err)
	}
	if !mine {
		return nil
	}
	slog.Info("this process leads the relay")
	defer l.release(ctx, conn)
	term, cancel := context.WithCancel(ctx)
	var guarding sync.WaitGroup
	defer guarding.Wait()
	defer cancel()
	guarding.Go(func() { l.guard(term, conn, cancel) })
	return work(term)
}

// guard ends the term when the connection, and with it the lock, is gone.
func (l *leader) guard(ctx context.Context, conn *sql.Conn, lost func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.check):
		}
		ping, cancel := context.WithTimeout(ctx, l.check)
		err := conn.PingContext(ping)
		cancel()
		if err != nil && ctx.Err() == nil {
			lost()
			return
		}
	}
}

func (l *leader) release(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lockID); err != nil {
		slog.Debug("the relay's lock ends with its connection", "error", err)
	}
}
