package feedback

import (
	"context"
	"time"

	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/cache"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// Config says how a Service works. Zero values mean the defaults.
type Config struct {
	// Anonymous lets people search and report without an account.
	Anonymous bool
	// SearchRate and FeedbackRate are the most searches and items of feedback of one
	// user within a minute, of one address ten times as many; AnonymousRate bounds
	// each for all visitors of one address. 0 or less means no limit.
	SearchRate, FeedbackRate, AnonymousRate int
	// Keep is how long queries are kept that nobody searches for or votes on, and
	// what happened in each hour; a year when it is not positive. Votes of visitors
	// are kept as long.
	Keep time.Duration
	// FlushEvery is how often counts are written; a second when it is not positive.
	FlushEvery time.Duration
	// Observe is told of every transaction of reports. May be nil.
	Observe func(batch.Flush)
}

// Service owns votes, their counts, and those of searches.
type Service struct {
	store   *store.Store
	log     *event.Log
	tokens  *auth.Tokens
	cache   cache.Cache
	cfg     Config
	keys    *idempotency.Keys
	may     auth.Access
	reports *batch.Writer[*report, *outcome]
	tally   *tally
	watcher Watcher
}

// Watcher is told of the queries whose votes change, by their ids, inside the transaction
// that changes them.
type Watcher func(ctx context.Context, ids ...string) error

// Follow has w told of every change from now on. It is called before the service is used.
func (s *Service) Follow(w Watcher) { s.watcher = w }

const (
	defaultKeep  = 365 * 24 * time.Hour
	defaultFlush = time.Second
)

// A report with more votes than largeReport has a transaction of its own, so that
// shared ones stay bounded: 50 of at most 200 votes.
const (
	largeReport    = 200
	reportsInBatch = 50
	reportsWaiting = 5000
)

// New makes the service. The cache holds the counters of limits, and who chose which
// sticker lately.
func New(s *store.Store, log *event.Log, tokens *auth.Tokens, c cache.Cache, cfg Config) *Service {
	if cfg.Keep <= 0 {
		cfg.Keep = defaultKeep
	}
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = defaultFlush
	}
	svc := &Service{
		store: s, log: log, tokens: tokens, cache: c, cfg: cfg, keys: idempotency.New(s, log),
		may: auth.PeopleOrVisitors(cfg.Anonymous), tally: newTally(),
	}
	svc.reports = batch.New(s, batch.Config[*report, *outcome]{
		Name: "reportFeedback", MaxItems: reportsInBatch, MaxWaiting: reportsWaiting,
		// Popular queries are in most transactions: a second one would wait for the first.
		Writers: 1, Commit: svc.commitReports, Observe: cfg.Observe,
	})
	return svc
}

// Waiting gives the number of reports that wait for their transaction.
func (s *Service) Waiting() int { return s.reports.Waiting() }

// Dropped gives the number of counts that were dropped since too many waited.
func (s *Service) Dropped() int64 { return s.tally.dropped.Load() }

// Run writes what was counted, every FlushEvery and once more at its end.
func (s *Service) Run(ctx context.Context) error { return s.tally.run(ctx, s) }
