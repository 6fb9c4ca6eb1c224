package batch

import (
	"cmp"
	"slices"
	"time"
)

// entry is an item of a transaction: the one at index of its call.
type entry[T, R any] struct {
	key   string
	call  *call[T, R]
	index int
	// place is where it stands in the order of arrival.
	place int
}

// wake starts a writer for what waits, unless one is about to take it or all
// are busy. The lock is held.
func (w *Writer[T, R]) wake() {
	switch {
	case w.calls.first == nil:
	case w.gathering:
		if w.waiting >= w.cfg.MaxItems {
			w.tell()
		}
	case w.writers < w.cfg.Writers:
		w.writers++
		w.gathering = true
		go w.write()
	}
}

// tell makes the writer that gathers look again.
func (w *Writer[T, R]) tell() {
	select {
	case w.news <- struct{}{}:
	default: // it is told already
	}
}

// write runs transactions until nothing waits.
func (w *Writer[T, R]) write() {
	var entries []entry[T, R]
	for {
		if w.cfg.MaxDelay > 0 {
			w.gather()
		}
		entries = w.take(entries[:0])
		if len(entries) > 0 {
			w.flush(entries)
			clear(entries) // the calls are over
		}
		if !w.more() {
			return
		}
	}
}

// gather waits for company until the oldest call has waited for MaxDelay, a
// transaction is full, or nothing waits any more.
func (w *Writer[T, R]) gather() {
	for {
		w.mu.Lock()
		oldest, waiting := w.calls.first, w.waiting
		w.mu.Unlock()
		if oldest == nil || waiting >= w.cfg.MaxItems {
			return
		}
		left := w.cfg.MaxDelay - time.Since(oldest.arrived)
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-w.news:
		}
		timer.Stop()
	}
}

// take appends the next transaction's items to entries, in the order of their
// keys, and lets another writer gather the rest. A call stays whole: it begins a
// new transaction when it doesn't fit into this one, and only what is too large
// for any is cut.
func (w *Writer[T, R]) take(entries []entry[T, R]) []entry[T, R] {
	w.mu.Lock()
	for c := w.calls.first; c != nil; c = w.calls.first {
		left, room := len(c.items)-c.taken, w.cfg.MaxItems-len(entries)
		if left > room && len(entries) > 0 {
			break
		}
		for range min(left, room) {
			entries = append(entries, entry[T, R]{call: c, index: c.taken, place: len(entries)})
			c.taken++
		}
		if c.taken == len(c.items) {
			w.calls.remove(c)
		}
	}
	w.waiting -= len(entries)
	w.gathering = false
	w.wake()
	w.mu.Unlock()
	if w.cfg.Key != nil {
		sortByKey(entries)
	}
	return entries
}

func sortByKey[T, R any](entries []entry[T, R]) {
	for i, e := range entries {
		entries[i].key = e.call.keys[e.index]
	}
	slices.SortFunc(entries, func(a, b entry[T, R]) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.place, b.place))
	})
}

// more tells a writer whether to go on. It ends when nothing waits, or when
// another one gathers what does.
func (w *Writer[T, R]) more() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls.first == nil || w.gathering {
		w.writers--
		return false
	}
	w.gathering = true
	return true
}
