// Package resume keeps how far the readers of the event log have come, so that
// a client whose connection was lost goes on where it was, on any process: by a
// name that the client chose and acknowledges for, or without its doing by what
// it is known to have received.
package resume

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/event"
	"parley/internal/store"
)

// Config bounds what a Book keeps; zero values mean the defaults.
type Config struct {
	// KeepKeys is how long the position of a resumeKey is kept after its last use:
	// 90 days. It is longer than events are, so that a reader who comes back too
	// late is told.
	KeepKeys time.Duration
	// KeepOperations is how long the position of an operation is kept after its
	// socket was last heard of: 10 minutes.
	KeepOperations time.Duration
	// MaxKeys is how many resumeKeys one account may have: 1000.
	MaxKeys int
	// Observe is told of every shared transaction; it may be nil.
	Observe func(batch.Flush)
}

// Book keeps the positions.
type Book struct {
	store  *store.Store
	log    *event.Log
	cfg    Config
	writer *batch.Writer[position, event.Cursor]
}

// position is how far a reader has come.
type position struct {
	owner, name string
	at          event.Cursor
}

func (p position) key() string { return p.owner + "\x00" + p.name }

// NewBook makes a Book of the log's readers.
func NewBook(s *store.Store, log *event.Log, cfg Config) *Book {
	if cfg.KeepKeys <= 0 {
		cfg.KeepKeys = 90 * 24 * time.Hour
	}
	if cfg.KeepOperations <= 0 {
		cfg.KeepOperations = 10 * time.Minute
	}
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = 1000
	}
	b := &Book{store: s, log: log, cfg: cfg}
	b.writer = batch.New(s, batch.Config[position, event.Cursor]{
		Name: "positions", Key: position.key, Commit: b.commit, Observe: cfg.Observe,
	})
	return b
}

// Waiting gives the number of positions that wait to be written.
func (b *Book) Waiting() int { return b.writer.Waiting() }

// AckInput is the input of ackEvents.
type AckInput struct {
	ResumeKey string       `json:"resumeKey"`
	UpTo      event.Cursor `json:"upTo"`
}

// Ack moves the viewer's reader with that resumeKey to a position, never back, and
// gives where it stands. A position that the log does not have is BAD_INPUT.
func (b *Book) Ack(ctx context.Context, in AckInput) (event.Cursor, error) {
	v, err := auth.RequireAny(ctx)
	if err != nil {
		return event.Cursor{}, err
	}
	if err := checkKey(in.ResumeKey, "input", "resumeKey"); err != nil {
		return event.Cursor{}, err
	}
	head, err := b.log.Head(ctx)
	if err != nil {
		return event.Cursor{}, err
	}
	if in.UpTo.Epoch != b.log.Epoch() || in.UpTo.Position > head {
		return event.Cursor{}, apperr.Input("upTo", "This event log does not have that place: take a cursor that it gave.")
	}
	p := position{ownerOf(v), keyName(in.ResumeKey), in.UpTo}
	if _, known, err := b.load(ctx, p); err != nil {
		return event.Cursor{}, err
	} else if !known {
		if err := b.checkRoom(ctx, p.owner, "input", "resumeKey"); err != nil {
			return event.Cursor{}, err
		}
	}
	return b.save(ctx, p)
}

const maxKey = 64

func checkKey(key string, path ...string) error {
	good := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:", r)
	}
	if key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return !good(r) }) {
		refusal := apperr.New(apperr.BadInput, "A resumeKey has 1 to %d letters, digits, '-', '_', '.' or ':'.", maxKey)
		refusal.Path = path
		return refusal
	}
	return nil
}

// ownerOf is whose readers the viewer's are: a key's are not its account's.
func ownerOf(v auth.Viewer) string {
	if v.Key != "" {
		return v.Key
	}
	return v.ID
}

const (
	keyPrefix       = "key:"
	operationPrefix = "op:"
)

func keyName(key string) string { return keyPrefix + key }

func (b *Book) checkRoom(ctx context.Context, owner string, path ...string) error {
	n := 0
	err := b.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) },
		"SELECT COUNT(*) FROM stream_positions WHERE owner_id = ? AND name LIKE '"+keyPrefix+"%'", owner)
	if err != nil {
		return fmt.Errorf("count the readers of an account: %w", err)
	}
	if n >= b.cfg.MaxKeys {
		refusal := apperr.New(apperr.Conflict, "An account has at most %d resumeKeys: use their names again. One is forgotten %d days after its last use.",
			b.cfg.MaxKeys, int(b.cfg.KeepKeys.Hours()/24))
		refusal.Path = path
		return refusal
	}
	return nil
}
