package indexing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"parley/internal/event"
	"parley/internal/store"
	"parley/internal/vector"
	"parley/internal/vector/pgvector"
)

// runShared follows a shared database of vectors, and keeps it current while no other
// process does.
func (f *Follower) runShared(ctx context.Context) error {
	save := f.Save
	if save <= 0 {
		save = 10 * time.Second
	}
	home := &shared{f.Service, f.Shared}
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		l := &store.Leader{Store: f.Service.store, Lock: store.LockVectors, Work: "vectors", Retry: time.Second, Check: 5 * time.Second}
		_ = l.Lead(ctx, func(ctx context.Context) error { // it ends with ctx
			r := &replica{Service: f.Service, view: &view{}, home: home, written: f.Service.tellWritten}
			defer r.end(ctx)
			return f.Listen.follow(ctx, save, r.follow, r.save)
		})
	})
	w := &watch{Service: f.Service, view: &f.view, home: home}
	return f.Listen.follow(ctx, time.Minute, w.follow, w.again)
}

func (s *Service) tellWritten(ctx context.Context, position int64) error {
	return s.store.Tx(ctx, func(ctx context.Context) error {
		return s.log.Append(ctx, event.Change{Audience: audience, Topic: topicVectors, Type: TypeVectorsWritten, Object: "vectors", Version: position})
	})
}

// watch sees which indexes a shared database of vectors has, and when they change.
type watch struct {
	*Service
	*view
	home  *shared
	tail  tail
	begun bool
	// whole tells that every index was there.
	whole bool
}

func (w *watch) follow(ctx context.Context) error {
	if !w.begun {
		head, err := w.log.Head(ctx)
		if err != nil {
			return err
		}
		w.tail = tail{w.log, head}
		if err := w.look(ctx); err != nil {
			return err
		}
		w.begun = true
	}
	for more := true; more; {
		before := w.tail.position
		events, again, lost, err := w.tail.next(ctx)
		if err != nil {
			return err
		}
		more = again
		written, switched := int64(0), lost
		for _, e := range events {
			switch e.Type {
			case TypeVectorsWritten:
				written = max(written, e.Version)
			case TypeIndexSwitched:
				switched = true
			}
		}
		if switched || written > 0 && !w.whole {
			if err := w.look(ctx); err != nil {
				w.tail.position = before
				return err
			}
		}
		if written > 0 || lost {
			for _, g := range w.all() {
				g.changes.Add(1)
			}
			w.position.Store(max(written, w.position.Load()))
		}
	}
	return nil
}

// again looks whether what was missing is there.
func (w *watch) again(ctx context.Context) {
	if w.whole {
		return
	}
	if err := w.look(ctx); err != nil && ctx.Err() == nil {
		slog.Warn("the database of vectors could not be looked at", "error", err)
	}
}

// look shows the indexes that are whole in the database of vectors.
func (w *watch) look(ctx context.Context) error {
	indexes, err := w.searchable(ctx)
	if err != nil {
		return err
	}
	generations := map[string]*Generation{}
	for _, index := range indexes {
		g, known := w.Generation(index.ID)
		if !known {
			var at event.Cursor
			if g, at, known = w.home.open(ctx, index); known && at.Epoch != w.log.Epoch() {
				known = false
			}
		}
		if known {
			generations[index.ID] = g
		}
	}
	w.whole = len(generations) == len(indexes)
	w.show(indexes, generations)
	return nil
}

// shared is a database with pgvector that has the vectors of all processes. The note of
// each of its indexes is up to which event it is right.
type shared struct {
	service *Service
	db      *sql.DB
}

// filling begins the note of a table that is not whole, before the log's epoch.
const filling = "filling "

// name is that of a shelf's index there.
func (s shelf) name(index string) string {
	_, id, _ := strings.Cut(index, "_")
	return strings.ToLower(id + "_" + s.source + "_" + string(s.side[:1]))
}

func (h *shared) make(ctx context.Context, index *Index) (*Generation, error) {
	return newGeneration(index, h.service.Sources, func(s shelf) (vector.Index, error) {
		return pgvector.Open(ctx, pgvector.Config{DB: h.db, Name: s.name(index.ID), Dimension: index.Dimensions})
	})
}

// open takes an index whose shelves were all filled.
func (h *shared) open(ctx context.Context, index *Index) (g *Generation, at event.Cursor, ok bool) {
	g, err := h.make(ctx, index)
	if err != nil {
		slog.Warn("an index can't be searched in the database of vectors", "index", index.ID, "error", err)
		return nil, at, false
	}
	first := true
	for _, x := range g.shelves {
		note, err := x.(*pgvector.Index).Note(ctx)
		if err != nil || note == "" {
			return nil, at, false
		}
		one, err := event.ParseCursor(note)
		if err != nil || !first && one.Epoch != at.Epoch {
			return nil, at, false
		}
		if first || one.Position < at.Position {
			at = one
		}
		first = false
	}
	return g, at, !first
}

// read fills an index anew.
func (h *shared) read(ctx context.Context, index *Index, at event.Cursor) (*Generation, error) {
	g, err := h.make(ctx, index)
	if err != nil {
		return nil, err
	}
	for place, x := range g.shelves {
		if err := x.(*pgvector.Index).SetNote(ctx, filling+at.Epoch); err != nil {
			return nil, fmt.Errorf("index %s: %w", index.ID, err)
		}
		err := x.(*pgvector.Index).Load(ctx, func(yield func(vector.Row, error) bool) {
			for rows, err := range h.service.stock(ctx, g, place) {
				if err != nil {
					yield(vector.Row{}, err)
					return
				}
				for _, r := range rows {
					if !yield(r, nil) {
						return
					}
				}
			}
		})
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", index.ID, err)
		}
	}
	return g, h.keep(ctx, []*Generation{g}, at)
}

// keep notes that generations are right up to an event.
func (h *shared) keep(ctx context.Context, all []*Generation, at event.Cursor) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var errs []error
	for _, g := range all {
		for _, x := range g.shelves {
			errs = append(errs, x.(*pgvector.Index).SetNote(ctx, at.String()))
		}
	}
	return errors.Join(errs...)
}

// tidy drops the tables of indexes that are gone. Those of other installations have notes
// of another log.
func (h *shared) tidy(ctx context.Context, indexes []*Index) {
	there := map[string]bool{}
	for _, index := range indexes {
		for _, source := range h.service.Sources {
			for _, side := range source.Sides {
				there[shelf{source.Name, side}.name(index.ID)] = true
			}
		}
	}
	notes, err := pgvector.Notes(ctx, h.db)
	for name, note := range notes {
		epoch, unfinished := strings.CutPrefix(note, filling)
		if at, bad := event.ParseCursor(note); bad == nil && !unfinished {
			epoch = at.Epoch
		}
		if err == nil && !there[name] && epoch == h.service.log.Epoch() {
			err = pgvector.Drop(ctx, h.db, name)
		}
	}
	if err != nil {
		slog.Warn("what deleted search indexes left in the database of vectors could not be dropped", "error", err)
	}
}
