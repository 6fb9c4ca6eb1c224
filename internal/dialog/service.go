package dialog

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// DefaultExpiry is how long a dialog waits for its customer's consent.
const DefaultExpiry = 30 * 24 * time.Hour

// Config says how a Service works. Zero values mean the defaults.
type Config struct {
	// Expiry is how long after its push a dialog without consent is erased;
	// DefaultExpiry when it is not positive.
	Expiry time.Duration
	// Observe is told of every transaction of pushes and messages. May be nil.
	Observe func(batch.Flush)
}

// Service owns dialogs, their messages and the consent to them.
type Service struct {
	store    *store.Store
	log      *event.Log
	audits   *audit.Log
	keys     *idempotency.Keys
	cfg      Config
	pushes   *batch.Writer[*draft, *Dialog]
	messages *batch.Writer[*newMessage, *Message]
	// turns numbers the pushed items in the order of their arrival.
	turns atomic.Uint64
}

// Bounds of what waits to be written: at most 64 KiB each.
const (
	mostInBatch = 500
	mostWaiting = 5000
)

// New makes the service.
func New(s *store.Store, log *event.Log, audits *audit.Log, cfg Config) *Service {
	if cfg.Expiry <= 0 {
		cfg.Expiry = DefaultExpiry
	}
	svc := &Service{store: s, log: log, audits: audits, keys: idempotency.New(s, log), cfg: cfg}
	svc.pushes = batch.New(s, batch.Config[*draft, *Dialog]{
		Name: "pushDialog", MaxItems: mostInBatch, MaxWaiting: mostWaiting,
		Key: (*draft).order, Commit: svc.commitPushes, Observe: cfg.Observe,
	})
	svc.messages = batch.New(s, batch.Config[*newMessage, *Message]{
		Name: "addDialogMessage", MaxItems: mostInBatch, MaxWaiting: mostWaiting,
		Key: (*newMessage).order, Commit: svc.commitMessages, Observe: cfg.Observe,
	})
	return svc
}

// Waiting gives the number of dialogs and messages that wait to be written.
func (s *Service) Waiting() int { return s.pushes.Waiting() + s.messages.Waiting() }

// anyScope lets a machine read what its owner pushed.
var anyScope = []auth.Scope{auth.ScopeDialogsPush, auth.ScopeDialogsConsent, auth.ScopeDialogsErase}

// rank makes numbers sort as texts.
func rank(number int64) string { return fmt.Sprintf("%019d", number) }

// query reads rows, each with scan.
func (s *Service) query(ctx context.Context, what string, scan func(*sql.Rows) error, query string, args ...any) error {
	if err := s.store.Query(ctx, scan, query, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *Service) exec(ctx context.Context, what, query string, args ...any) error {
	if _, err := s.store.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
