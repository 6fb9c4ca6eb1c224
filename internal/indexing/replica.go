package indexing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"parley/internal/event"
	"parley/internal/vector"
)

// replica is a copy of all vectors that follows the events. One goroutine uses it, but for
// its view.
type replica struct {
	*Service
	*view
	home home
	// written is called after each change with the event up to which the vectors are
	// right; it may be nil.
	written func(ctx context.Context, position int64) error

	begun bool
	// tail is how far events were read, dirty whether home has noted less than that, and
	// kept up to which event its note is right.
	tail  tail
	dirty bool
	kept  int64
}

// home is where a replica has its vectors, and notes up to which event they are right.
type home interface {
	// open takes an index as it was left; ok is false when it has to be read.
	open(ctx context.Context, index *Index) (g *Generation, at event.Cursor, ok bool)
	// read makes an index anew from the database, right up to the event at least.
	read(ctx context.Context, index *Index, at event.Cursor) (*Generation, error)
	// keep notes that generations are right up to an event.
	keep(ctx context.Context, all []*Generation, at event.Cursor) error
	// tidy takes away what indexes left that are gone.
	tidy(ctx context.Context, indexes []*Index)
}

// follow begins, where that was not done, and takes all that there is to know.
func (r *replica) follow(ctx context.Context) error {
	if !r.begun {
		if err := r.begin(ctx); err != nil {
			return err
		}
		r.begun = true
	}
	return r.catchUp(ctx)
}

// begin takes indexes as they were left, as far as there are events to bring them up to
// date with, and the rest from the database. It answers once it is up to date.
func (r *replica) begin(ctx context.Context) error {
	s := r.Service
	head, err := s.log.Head(ctx)
	if err != nil {
		return err
	}
	trimmed, err := s.log.Trimmed(ctx)
	if err != nil {
		return err
	}
	indexes, err := s.searchable(ctx)
	if err != nil {
		return err
	}
	r.home.tidy(ctx, indexes)
	position, generations := head, map[string]*Generation{}
	for _, index := range indexes {
		g, at, ok := r.home.open(ctx, index)
		if ok && at.Epoch == s.log.Epoch() && at.Position >= trimmed && at.Position <= head {
			position = min(position, at.Position)
		} else if g, err = r.home.read(ctx, index, s.log.Cursor(head)); err != nil {
			return err
		} else {
			r.dirty = true
		}
		generations[index.ID] = g
	}
	r.tail, r.kept = tail{s.log, position}, position
	r.mu.Lock()
	r.generations = generations
	r.mu.Unlock()
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	return r.arrange(ctx)
}

// end notes how far the vectors are right, and gives memory back.
func (r *replica) end(ctx context.Context) {
	r.save(context.WithoutCancel(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.generations {
		if err := g.close(); err != nil {
			slog.Warn("vectors could not be closed", "error", err)
		}
	}
	r.generations, r.active = nil, nil
}

// maxBehind is how many events a note may be behind in which nothing concerns the vectors.
// Beyond that the events might be deleted before the next start.
const maxBehind = 100_000

// save notes how far the vectors are right, where that changed.
func (r *replica) save(ctx context.Context) {
	if !r.begun || !r.dirty && r.tail.position-r.kept < maxBehind {
		return
	}
	if err := r.home.keep(ctx, r.all(), r.log.Cursor(r.tail.position)); err != nil {
		slog.Warn("how far the vectors are right could not be noted, the next start reads more of them", "error", err)
		return
	}
	r.dirty, r.kept = false, r.tail.position
}

// catchUp takes the events that there are. One that could not be taken is read again.
func (r *replica) catchUp(ctx context.Context) error {
	for {
		before := r.tail.position
		events, more, lost, err := r.tail.next(ctx)
		if err != nil {
			return err
		}
		concerned := lost || slices.ContainsFunc(events, func(e event.Event) bool { return e.Type != TypeVectorsWritten })
		switch {
		case lost:
			err = r.reread(ctx)
		case concerned:
			r.dirty = true
			err = r.take(ctx, events)
		}
		if err == nil && concerned && r.written != nil {
			err = r.written(ctx, r.tail.position)
		}
		if err != nil {
			r.tail.position = before
			return err
		}
		r.position.Store(r.tail.position)
		if !more {
			return nil
		}
	}
}

// reread takes everything from the database.
func (r *replica) reread(ctx context.Context) error {
	indexes, err := r.searchable(ctx)
	if err != nil {
		return err
	}
	generations := map[string]*Generation{}
	for _, index := range indexes {
		if generations[index.ID], err = r.home.read(ctx, index, r.log.Cursor(r.tail.position)); err != nil {
			return err
		}
	}
	r.dirty = true
	r.show(indexes, generations)
	return nil
}

// arrange takes the indexes that are new, drops those that are gone, and lets the active
// one answer.
func (r *replica) arrange(ctx context.Context) error {
	indexes, err := r.searchable(ctx)
	if err != nil {
		return err
	}
	r.home.tidy(ctx, indexes)
	generations := map[string]*Generation{}
	for _, index := range indexes {
		g, ok := r.Generation(index.ID)
		if !ok {
			if g, err = r.home.read(ctx, index, r.log.Cursor(r.tail.position)); err != nil {
				return err
			}
		}
		generations[index.ID] = g
	}
	r.show(indexes, generations)
	return nil
}

// take takes events, whose order among each other does not matter: what they are about is
// read as it is now.
func (r *replica) take(ctx context.Context, events []event.Event) error {
	forgotten, touched := map[string][]string{}, map[string][]string{}
	switched := false
	seen := map[string]bool{}
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		switch {
		case e.Type == TypeIndexSwitched:
			switched = true
		case e.Type != TypeVectorsChanged, seen[e.Parent+" "+e.Object]:
		case e.State == stateForgotten:
			forgotten[e.Parent] = append(forgotten[e.Parent], e.Object)
			seen[e.Parent+" "+e.Object] = true
		default:
			touched[e.Parent] = append(touched[e.Parent], e.Object)
			seen[e.Parent+" "+e.Object] = true
		}
	}
	for source, ids := range forgotten {
		if err := r.drop(ctx, source, ids); err != nil {
			return err
		}
	}
	if switched {
		if err := r.arrange(ctx); err != nil {
			return err
		}
	}
	for name, ids := range touched {
		source, err := r.source(name)
		if err != nil {
			slog.Warn("something changed that this process does not know", "source", name)
			continue
		}
		if err := r.refresh(ctx, source, ids); err != nil {
			return err
		}
	}
	return nil
}

// drop takes objects out of all generations.
func (r *replica) drop(ctx context.Context, source string, ids []string) error {
	var errs []error
	for _, g := range r.all() {
		for place, x := range g.shelves {
			if place.source == source {
				errs = append(errs, x.Delete(ctx, ids...))
			}
		}
		g.changes.Add(1)
	}
	return errors.Join(errs...)
}

// refresh reads objects anew.
func (r *replica) refresh(ctx context.Context, source Source, ids []string) error {
	all := r.all()
	if len(all) == 0 {
		return nil
	}
	indexes := make([]string, len(all))
	for i, g := range all {
		indexes[i] = g.ID
	}
	for len(ids) > 0 {
		some := ids[:min(len(ids), objectsAtOnce)]
		ids = ids[len(some):]
		items, err := source.ByID(ctx, some)
		if err != nil {
			return fmt.Errorf("read changed objects: %w", err)
		}
		found, err := r.storedOf(ctx, indexes, source.Name, some)
		if err != nil {
			return err
		}
		for _, g := range all {
			for place, x := range g.shelves {
				if place.source != source.Name {
					continue
				}
				rows := g.rows(found, place.side, items)
				if err := replace(ctx, x, some, rows); err != nil {
					return fmt.Errorf("index %s: %w", g.ID, err)
				}
			}
			g.changes.Add(1)
		}
	}
	return nil
}

// replace makes rows all that there is of some objects.
func replace(ctx context.Context, x vector.Index, ids []string, rows []vector.Row) error {
	there := make(map[string]bool, len(rows))
	for _, r := range rows {
		there[r.ID] = true
	}
	var lost []string
	for _, id := range ids {
		if !there[id] {
			lost = append(lost, id)
		}
	}
	if err := x.Delete(ctx, lost...); err != nil {
		return err
	}
	return x.Put(ctx, rows...)
}
