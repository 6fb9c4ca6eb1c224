// Package batch commits the writes of many concurrent calls in shared
// transactions (group commit): while one transaction is being committed, the
// calls that arrive gather for the next one, so that the cost of a commit is
// shared by all that wait. A call returns only after its own items are
// committed, or with the error of each. The idea is that of DeWitt et al.,
// "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984,
// section 5.2.
package batch

import (
	"context"
	"sync"
	"time"

	"parley/internal/store"
)

// Config says what a Writer writes and how much at a time. Zero values mean
// the defaults.
type Config[T, R any] struct {
	// Name is for metrics and logs, for example "recordErrors".
	Name string
	// MaxItems is the most items of one transaction; default 1000.
	MaxItems int
	// MaxDelay is how long the first item may wait for company when a writer is
	// free. With 0, the default, company gathers only while transactions are
	// under way.
	MaxDelay time.Duration
	// MaxWaiting is the most items that wait for their transaction; beyond it Do
	// is UNAVAILABLE; default 20,000.
	MaxWaiting int
	// Writers is the most transactions at a time on Postgres; default 2. SQLite
	// always has 1.
	Writers int
	// Timeout bounds a transaction, together with the smaller ones that follow
	// when it fails for one of its items; default 10 s.
	Timeout time.Duration
	// Key names the row that an item changes. Items reach Commit sorted by it,
	// equal keys in the order of their arrival: transactions that change their
	// rows in this order cannot lock each other out. Nil keeps the order of
	// arrival, which is enough where items only insert rows of their own.
	Key func(T) string
	// Commit writes items inside a transaction, which it finds in ctx, and gives
	// one Result for each, in order. What is wrong with a single item belongs
	// into its Result, as long as the transaction can go on: on Postgres a
	// statement that failed spoils its transaction. An error rolls everything
	// back; where it isn't UNAVAILABLE or TIMEOUT each half of the items is tried
	// again, down to the item that is to blame. So Commit may run several times
	// for an item: it must have no effects outside the transaction, and neither
	// change nor keep items. ctx has no viewer: it belongs to nobody's call.
	Commit func(ctx context.Context, items []T) ([]Result[R], error)
	// Observe is told of every transaction before its calls return, those that
	// failed included. It must be quick and safe for concurrent use. May be nil.
	Observe func(Flush)
}

// Result is what became of one item. Without Err it is committed, and Value is
// what Commit said of it.
type Result[R any] struct {
	Value R
	Err   error
}

// Flush describes one transaction.
type Flush struct {
	// Name is the Config's.
	Name string
	// Items is how many items it had, and Calls from how many calls of Do.
	Items, Calls int
	// Waited is the time from the arrival of its oldest item to its beginning.
	Waited time.Duration
	// Took is the time from its beginning to its commit or failure.
	Took time.Duration
	// Err is why nothing of it was committed, or why nobody knows.
	Err error
}

// Writer gathers the items of concurrent calls into transactions. It has
// goroutines only while there is work, and so needs no stopping: when all calls
// of Do have returned, it has none.
type Writer[T, R any] struct {
	store *store.Store
	cfg   Config[T, R]
	// news wakes the writer that gathers: items came, or all went away.
	news chan struct{}

	mu sync.Mutex
	// calls wait for their transaction in the order of arrival; waiting is the
	// number of their items.
	calls   queue[T, R]
	waiting int
	// writers is how many goroutines run; one of them gathers when it has not
	// yet taken its items.
	writers   int
	gathering bool
}

// New makes a Writer of rows in s.
func New[T, R any](s *store.Store, cfg Config[T, R]) *Writer[T, R] {
	orDefault(&cfg.MaxItems, 1000)
	orDefault(&cfg.MaxWaiting, 20_000)
	orDefault(&cfg.Writers, 2)
	orDefault(&cfg.Timeout, 10*time.Second)
	if !s.Postgres() {
		cfg.Writers = 1
	}
	return &Writer[T, R]{store: s, cfg: cfg, news: make(chan struct{}, 1)}
}

func orDefault[N int | time.Duration](value *N, otherwise N) {
	if *value <= 0 {
		*value = otherwise
	}
}

// Waiting gives the number of items that wait for their transaction.
func (w *Writer[T, R]) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting
}
