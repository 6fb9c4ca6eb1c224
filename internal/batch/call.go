package batch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"parley/internal/apperr"
	"parley/internal/store"
)

// comeBack is when a call that was refused for the many that wait may try
// again: a full queue is some twenty transactions.
const comeBack = time.Second

// call is one Do.
type call[T, R any] struct {
	items   []T
	keys    []string // nil without Config.Key
	results []Result[R]
	arrived time.Time
	// open counts the items whose result is missing; done is closed at none.
	open atomic.Int64
	done chan struct{}

	// Under the Writer's lock: how many of items were taken into transactions,
	// and the neighbours while others wait.
	taken          int
	previous, next *call[T, R]
	queued         bool
}

// Do hands items to the next transaction and returns once they are committed,
// with a Result for each, in order. Items whose Result has no error can be read
// by everybody.
//
// An error means that nothing of the call was written: UNAVAILABLE with
// RetryAfter when too many items wait, TOO_LARGE when there are more than could
// ever wait, or that of ctx when it ended before the call's turn. Once items
// were taken into a transaction Do waits for its outcome, at most the Config's
// Timeout, whatever becomes of ctx.
//
// An item's error means that this item was not written, with one exception: a
// database that stopped answering at the commit itself leaves an UNAVAILABLE or
// TIMEOUT whose message asks to look whether the item was saved.
//
// A call's items share one transaction as long as there are at most
// Config.MaxItems and none of them has to be singled out for an error. A larger
// call is spread over several transactions, of which some may fail; the Results
// tell them apart. When ctx ends between them, the items that still wait get
// its error as theirs.
//
// Do must not be called inside a transaction of the same database, which it
// would wait for on SQLite: that is an error.
func (w *Writer[T, R]) Do(ctx context.Context, items ...T) ([]Result[R], error) {
	if len(items) == 0 {
		return nil, nil
	}
	if store.InTx(ctx) {
		return nil, fmt.Errorf("%s: a call inside a transaction would wait for itself", w.cfg.Name)
	}
	if err := ctx.Err(); err != nil {
		return nil, tooLate(err)
	}
	c := w.newCall(items)
	if err := w.enqueue(c); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if w.withdraw(c, tooLate(ctx.Err())) {
			return nil, tooLate(ctx.Err())
		}
		<-c.done
	}
	return c.results, nil
}

func (w *Writer[T, R]) newCall(items []T) *call[T, R] {
	c := &call[T, R]{items: items, results: make([]Result[R], len(items)), arrived: time.Now(), done: make(chan struct{})}
	c.open.Store(int64(len(items)))
	if w.cfg.Key != nil {
		c.keys = make([]string, len(items))
		for i, item := range items {
			c.keys[i] = w.cfg.Key(item)
		}
	}
	return c
}

func (w *Writer[T, R]) enqueue(c *call[T, R]) error {
	if len(c.items) > w.cfg.MaxWaiting {
		return apperr.New(apperr.TooLarge, "At most %d can be written at a time.", w.cfg.MaxWaiting)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting+len(c.items) > w.cfg.MaxWaiting {
		busy := apperr.New(apperr.Unavailable, "Nothing was saved: too much is waiting to be written. Try again in a moment.")
		busy.RetryAfter = comeBack
		return busy
	}
	w.calls.push(c)
	w.waiting += len(c.items)
	w.wake()
	return nil
}

// withdraw takes the items of c that still wait out of the queue, each with err
// as its result, and tells whether those are all that c has.
func (w *Writer[T, R]) withdraw(c *call[T, R], err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.queued {
		return false
	}
	w.calls.remove(c)
	w.waiting -= len(c.items) - c.taken
	if w.waiting == 0 {
		w.tell()
	}
	for i := c.taken; i < len(c.items); i++ {
		c.deliver(i, Result[R]{Err: err})
	}
	return c.taken == 0
}

// deliver sets the result of the item i and ends the call with its last one.
func (c *call[T, R]) deliver(i int, r Result[R]) {
	c.results[i] = r
	if c.open.Add(-1) == 0 {
		close(c.done)
	}
}

func tooLate(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return apperr.Wrap(err, apperr.Timeout, "Nothing was saved: the time was up before its turn came.")
	}
	return fmt.Errorf("nothing was written: %w", err)
}
