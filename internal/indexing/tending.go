package indexing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/internal/store"
)

// Bounds of the work on one index.
const (
	// maxJobs is how many jobs of an index are in flight, so that the queue and what it
	// holds stay small.
	maxJobs = 4
	// objectsAtOnce is how many objects are looked at together.
	objectsAtOnce = 200
	// maxChanged is how many changed objects are remembered; beyond it all are looked at.
	maxChanged = 50_000
)

// tending keeps one index up to date.
type tending struct {
	*term
	index *Index
	// changed are objects that events told of, or that there was no room for, by source.
	changed map[string]map[string]struct{}
	// resting are objects that may still be edited, by when they are looked at again.
	resting map[resting]time.Time
	// sweep is how far all objects were looked at, nil where they were.
	sweep *sweep
	// awaited are the jobs that were in flight at the end of the sweep.
	awaited []string
	// counting is when the index's numbers may be counted next.
	counting time.Time
	stale    bool
	// sides is how many texts and pictures there were when the building began.
	sides int
	room  int
	// reporting is since when a report is to be made.
	reporting time.Time
}

// resting is an object that is not embedded yet.
type resting struct{ source, object string }

// sweep goes over all objects of all sources.
type sweep struct {
	// source is the number of the source, after the object that was looked at last.
	source int
	after  string
}

func newTending(t *term, index *Index) *tending {
	one := &tending{term: t, index: index, changed: map[string]map[string]struct{}{}, resting: map[resting]time.Time{}, stale: true}
	one.lookAtAll()
	return one
}

func (t *tending) lookAtAll() {
	t.sweep, t.awaited = &sweep{}, nil
	clear(t.changed)
	clear(t.resting)
}

func (t *tending) hear(source, object, state string) {
	t.stale = true
	if state == stateEmbedded {
		return
	}
	t.remember(source, object)
}

func (t *tending) remember(source, object string) {
	some := t.changed[source]
	if some == nil {
		some = map[string]struct{}{}
		t.changed[source] = some
	}
	if some[object] = struct{}{}; len(some) > maxChanged {
		t.lookAtAll()
	}
}

// step does what there is room for and tells whether there is more to do at once. Without
// a worker nothing is sent.
func (t *tending) step(ctx context.Context, living bool) (more bool, err error) {
	flying, err := t.jobsInFlight(ctx, t.index.ID)
	if err != nil {
		return false, err
	}
	if t.room = maxJobs - len(flying); t.room > 0 && living {
		if more, err = t.work(ctx); err != nil {
			return false, err
		}
	}
	if err := t.recount(ctx); err != nil {
		return false, err
	}
	if t.index.State == Building && t.sweep == nil && len(t.changed) == 0 {
		return more, t.finish(ctx)
	}
	if t.index.State == Ready && len(t.index.Report) == 0 {
		return more, t.reportOn(ctx)
	}
	return more, nil
}

// work looks at what is due, at some changed objects, and at some of all.
func (t *tending) work(ctx context.Context) (more bool, err error) {
	due, err := t.due(ctx, t.index.ID, objectsAtOnce)
	if err != nil {
		return false, err
	}
	for source, ids := range due {
		for _, id := range ids {
			t.remember(source, id)
		}
	}
	t.wake(time.Now())
	for name := range maps.Clone(t.changed) {
		if err := t.workOn(ctx, name); err != nil || t.room <= 0 {
			return false, err
		}
	}
	if t.sweep != nil {
		if err := t.page(ctx); err != nil {
			return false, err
		}
	}
	return t.room > 0 && (t.sweep != nil || len(t.changed) > 0), nil
}

// rests tells whether an object of a source may still be edited. It is looked at again
// when it no longer may.
func (t *tending) rests(source Source, w want) bool {
	ready := w.item.Edited.Add(source.Rest)
	if source.Rest <= 0 || !ready.After(time.Now()) {
		return false
	}
	if t.resting[resting{source.Name, w.object}] = ready; len(t.resting) > maxChanged {
		t.lookAtAll()
	}
	return true
}

// wake has objects looked at that have rested.
func (t *tending) wake(now time.Time) {
	for r, ready := range t.resting {
		if !ready.After(now) {
			delete(t.resting, r)
			t.remember(r.source, r.object)
		}
	}
}

// workOn looks at some changed objects of a source.
func (t *tending) workOn(ctx context.Context, name string) error {
	ids := slices.Sorted(maps.Keys(t.changed[name]))
	ids = ids[:min(len(ids), objectsAtOnce)]
	for _, id := range ids {
		delete(t.changed[name], id)
	}
	if len(t.changed[name]) == 0 {
		delete(t.changed, name)
	}
	source, err := t.source(name)
	if err != nil {
		return err
	}
	// The rows before the objects: what is deleted in between would otherwise look like an
	// object that was never sent.
	rows, err := t.rowsOf(ctx, t.index.ID, name, ids)
	if err != nil {
		return t.later(name, ids, err)
	}
	found, err := source.ByID(ctx, ids)
	if err != nil {
		return t.later(name, ids, fmt.Errorf("read changed objects: %w", err))
	}
	items := make([]Item, 0, len(found))
	for _, id := range ids {
		if item, ok := found[id]; ok {
			items = append(items, item)
		}
	}
	return t.later(name, ids, t.bring(ctx, source, items, rows))
}

// later has objects looked at again where there was an error, which it gives back.
func (t *tending) later(source string, ids []string, err error) error {
	if err != nil {
		for _, id := range ids {
			t.remember(source, id)
		}
	}
	return err
}

// page looks at the next objects of all.
func (t *tending) page(ctx context.Context) error {
	source := t.Sources[t.sweep.source]
	items, err := source.Page(ctx, t.sweep.after, objectsAtOnce)
	if err != nil {
		return fmt.Errorf("read a page of objects: %w", err)
	}
	last := ""
	if len(items) == objectsAtOnce {
		last = items[len(items)-1].ID
	}
	rows, err := t.rowsBetween(ctx, t.index.ID, source.Name, t.sweep.after, last)
	if err != nil {
		return err
	}
	if err := t.bring(ctx, source, items, rows); err != nil {
		return err
	}
	if t.sweep.after = last; last != "" {
		return nil
	}
	if t.sweep.source++; t.sweep.source < len(t.Sources) {
		return nil
	}
	t.sweep, t.stale = nil, true
	t.awaited, err = t.jobsInFlight(ctx, t.index.ID)
	return err
}

// bring has the workers make what the index lacks of objects. What there is no room for
// is remembered.
func (t *tending) bring(ctx context.Context, source Source, items []Item, rows []row) error {
	p := compare(t.index, source, items, rows, store.Now())
	if err := t.correct(ctx, source.Name, p); err != nil {
		return err
	}
	slices.SortStableFunc(p.wants, func(a, b want) int { return a.tries - b.tries })
	var b *batch
	for _, w := range p.wants {
		if t.rests(source, w) {
			continue
		}
		if t.room <= 0 {
			t.remember(source.Name, w.object)
			continue
		}
		if b == nil {
			b = newBatch(t.index, w.tries)
		}
		c, err := w.read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.fail(t.Service, w, err)
			continue
		}
		if !b.fits(c) || b.len() > 0 && newBatch(t.index, w.tries).most != b.most {
			if err := t.dispatch(ctx, b); err != nil {
				return err
			}
			if b = newBatch(t.index, w.tries); t.room <= 0 {
				t.remember(source.Name, w.object)
				continue
			}
		}
		b.add(w, c)
	}
	if b == nil {
		return nil
	}
	return t.dispatch(ctx, b)
}

// dispatch sends a batch and counts it where it is a job.
func (t *tending) dispatch(ctx context.Context, b *batch) error {
	if b.len() == 0 && len(b.outcomes) == 0 {
		return nil
	}
	if b.len() > 0 {
		t.room--
	}
	t.stale = true
	return t.send(ctx, b)
}

// correct writes what follows of a plan without a worker.
func (t *tending) correct(ctx context.Context, source string, p plan) error {
	if len(p.surplus) == 0 && len(p.renewed) == 0 {
		return nil
	}
	t.stale = true
	return t.store.Tx(ctx, func(ctx context.Context) error {
		if err := t.deleteRows(ctx, p.surplus); err != nil {
			return err
		}
		for _, version := range slices.Sorted(maps.Keys(p.renewed)) {
			if err := t.renew(ctx, version, p.renewed[version]); err != nil {
				return err
			}
		}
		return t.log.Append(ctx, vectorsChanged(source, stateEmbedded, p.changed)...)
	})
}

// finish ends the building of an index once the jobs that the sweep left have ended and
// nothing waits for another try.
func (t *tending) finish(ctx context.Context) error {
	flying, err := t.jobsInFlight(ctx, t.index.ID)
	if err != nil {
		return err
	}
	for _, id := range t.awaited {
		if slices.Contains(flying, id) {
			return nil
		}
	}
	c, err := t.count(ctx, t.index.ID)
	if err != nil || c.waiting > 0 {
		return err
	}
	return t.complete(ctx, t.index, c)
}

// recount brings the numbers of the index up to date, no more often than counting may cost.
func (t *tending) recount(ctx context.Context) error {
	if !t.stale || time.Now().Before(t.counting) {
		return nil
	}
	begun := time.Now()
	c, err := t.count(ctx, t.index.ID)
	if err != nil {
		return err
	}
	if t.index.State == Building && t.sweep != nil {
		if c.all, err = t.expected(ctx, c.all); err != nil {
			return err
		}
	}
	t.stale, t.counting = false, time.Now().Add(max(time.Second, 20*time.Since(begun)))
	if t.index.Total == c.all && t.index.Done == c.done && t.index.Failed == c.failed {
		return nil
	}
	return t.keepCounts(ctx, t.index, c)
}

// expected is how many texts and pictures a building index will have, counted once.
func (t *tending) expected(ctx context.Context, known int) (int, error) {
	if t.sides == 0 {
		for _, source := range t.Sources {
			n, err := t.countSides(ctx, t.index, source)
			if err != nil {
				return 0, err
			}
			t.sides += n
		}
	}
	return max(known, t.sides), nil
}

// countSides counts the texts and pictures of a source that an index is to have.
func (s *Service) countSides(ctx context.Context, index *Index, source Source) (n int, err error) {
	for after, more := "", true; more; {
		items, err := source.Page(ctx, after, objectsAtOnce)
		if err != nil {
			return 0, fmt.Errorf("read a page of objects: %w", err)
		}
		for _, item := range items {
			after = item.ID
			for _, side := range source.Sides {
				if _, ok := contentOf(index, item, side); ok {
					n++
				}
			}
		}
		more = len(items) == objectsAtOnce
	}
	return n, nil
}
