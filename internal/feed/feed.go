// Package feed keeps posts, who follows and blocks whom, and the feeds that are made of
// both.
package feed

import (
	"context"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/indexing"
	"parley/internal/media"
	"parley/internal/store"
)

// Limits in characters.
const (
	MaxTitle       = 200
	MaxContent     = 10_000
	MaxReason      = 1000
	MaxDisplayName = 50
	MinHandle      = 3
	MaxHandle      = 30
)

// The prefixes of the ids of posts, reports and accounts.
const (
	prefix       = "post"
	prefixReport = "report"
	prefixUser   = "user"
)

// Config says how feeds are kept.
type Config struct {
	// Timeline is how many posts the timeline of an account keeps; 0 for no timelines:
	// each feed is then read from the posts of all whom it follows.
	Timeline int
	// Fanout is the most followers of whom each gets a copy of an author's posts; those
	// of an author who has more are looked up when a feed is read.
	Fanout int
}

// Service keeps posts and feeds.
type Service struct {
	store *store.Store
	log   *event.Log
	media *media.Service
	keys  *idempotency.Keys
	cfg   Config
	// now is the time of what is published.
	now func() time.Time
	// watcher may be nil.
	watcher indexing.Watcher
	// Made gives what was made of a content request of the viewer, CONFLICT where nothing is
	// there yet. It is set before the service is used.
	Made func(ctx context.Context, request string) (Made, error)
	// filled counts the timelines that were filled, wrong those that Verify found wrong.
	filled, wrong *atomic.Int64
}

// New makes the service, which keeps the pictures of its posts in m.
func New(s *store.Store, log *event.Log, m *media.Service, cfg Config) *Service {
	return &Service{store: s, log: log, media: m, keys: idempotency.New(s, log), cfg: cfg, now: store.Now, filled: new(atomic.Int64), wrong: new(atomic.Int64)}
}

// Written is a post with the cursor before the write.
type Written struct {
	Post   *gen.Post
	Cursor event.Cursor
}

// asSystem is the context in which rows are read and written for which the rules were
// asked before: in statements of this room, which name the viewer.
func asSystem(ctx context.Context) context.Context { return auth.System(ctx, "feed.keep") }

// checkText refuses a text that is too long or that the databases don't keep.
func checkText(field, what, text string, most int) error {
	if !store.Storable(text) || utf8.RuneCountInString(text) > most {
		return apperr.Input(field, "%s has at most %d characters of UTF-8 without NUL characters.", what, most)
	}
	return nil
}

// missing is the answer for a post that is not there, and for one that the viewer may not
// see.
func missing() error { return store.Found(&gen.NotFoundError{}, "post") }
