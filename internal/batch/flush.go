package batch

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"parley/internal/store"
)

// flush writes entries and delivers what became of each. The context is nobody's
// call: the end of one must not fail the others.
func (w *Writer[T, R]) flush(entries []entry[T, R]) {
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.Timeout)
	defer cancel()
	items := make([]T, len(entries))
	for i, e := range entries {
		items[i] = e.call.items[e.index]
	}
	w.settle(ctx, entries, items)
}

// settle writes items in one transaction. When one of them is to blame for its
// failure, each half of them gets a transaction of its own.
func (w *Writer[T, R]) settle(ctx context.Context, entries []entry[T, R], items []T) {
	start := time.Now()
	results, failed := w.transact(ctx, items)
	w.observe(entries, start, failed)
	switch {
	case failed == nil:
		for i, e := range entries {
			e.call.deliver(e.index, results[i])
		}
	case failed.divisible && len(items) > 1:
		half := len(items) / 2
		w.settle(ctx, entries[:half], items[:half])
		w.settle(ctx, entries[half:], items[half:])
	default:
		for _, e := range entries {
			e.call.deliver(e.index, Result[R]{Err: failed.err})
		}
	}
}

// transact writes items in one transaction and gives their results once it is
// committed.
func (w *Writer[T, R]) transact(ctx context.Context, items []T) (results []Result[R], failed *failure) {
	at := opening
	defer func() {
		// Commit panicked, or what it wanted done after the commit, or the driver.
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "a transaction of many calls panicked", "batch", w.cfg.Name, "panic", p, "stack", string(debug.Stack()))
			if at != committed {
				failed = explain(ctx, at, fmt.Errorf("%s panicked: %v", w.cfg.Name, p), results)
			}
		}
	}()
	err := w.store.Tx(ctx, func(ctx context.Context) error {
		at = begun
		store.AfterCommit(ctx, func() { at = committed })
		var err error
		if results, err = w.cfg.Commit(ctx, items); err != nil {
			return err
		}
		if len(results) != len(items) {
			return fmt.Errorf("%s: %w: %d for %d items", w.cfg.Name, errResults, len(results), len(items))
		}
		at = written
		return nil
	})
	if err != nil {
		failed = explain(ctx, at, err, results)
	}
	return results, failed
}

func (w *Writer[T, R]) observe(entries []entry[T, R], start time.Time, failed *failure) {
	if w.cfg.Observe == nil {
		return
	}
	f := Flush{Name: w.cfg.Name, Items: len(entries), Took: time.Since(start)}
	if failed != nil {
		f.Err = failed.err
	}
	calls := make(map[*call[T, R]]struct{}, len(entries))
	for _, e := range entries {
		calls[e.call] = struct{}{}
		f.Waited = max(f.Waited, start.Sub(e.call.arrived))
	}
	f.Calls = len(calls)
	w.cfg.Observe(f)
}
