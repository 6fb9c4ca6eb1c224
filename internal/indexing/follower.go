package indexing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/vector"
)

// Follower holds the vectors of all search indexes in the memory of a process, and follows
// what changes of them. Each API process runs one.
type Follower struct {
	Service *Service
	Listen  Listen
	// Folder is where files of the vectors are kept from one start to the next, and
	// without a name those that the codes in memory were made from. It is made where it
	// is missing. "" keeps everything in memory, and reads the database at each start.
	Folder string
	// Save is how often files are written while something changes, 1 h, beside the one
	// time at the end.
	Save time.Duration

	mu          sync.RWMutex
	generations map[string]*Generation
	active      *Generation

	// position is up to which event callers see what happened.
	position atomic.Int64

	// Only Run uses these: how far events were read, whether the files hold less than
	// the memory, and up to which event they are right.
	tail  tail
	dirty bool
	kept  int64
}

// Active gives the generation that answers, once it is in memory.
func (f *Follower) Active() (*Generation, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.active, f.active != nil
}

// Generation gives that of a search index, once it is in memory.
func (f *Follower) Generation(id string) (*Generation, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	g, ok := f.generations[id]
	return g, ok
}

// Position is up to which event what callers see is right; 0 before the first time.
func (f *Follower) Position() int64 { return f.position.Load() }

// Run follows until ctx ends, and then writes the files.
func (f *Follower) Run(ctx context.Context) error {
	ctx = auth.System(ctx, "indexing.follow")
	news := make(chan struct{}, 1)
	stop := f.Listen(func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	defer stop()
	save := f.Save
	if save <= 0 {
		save = time.Hour
	}
	tick := time.NewTicker(save)
	defer tick.Stop()
	defer f.end()
	begun := false
	for {
		err := f.follow(ctx, &begun)
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			slog.Error("the vectors in memory could not be brought up to date, it is tried again", "error", err)
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-again:
		case <-tick.C:
			f.save()
		}
	}
}

// follow begins, where that was not done, and takes all that there is to know.
func (f *Follower) follow(ctx context.Context, begun *bool) error {
	if !*begun {
		if err := f.begin(ctx); err != nil {
			return err
		}
		*begun = true
	}
	return f.catchUp(ctx)
}

// begin takes what files have, as far as there are events to bring it up to date with,
// and the rest from the database. It answers once it is up to date.
func (f *Follower) begin(ctx context.Context) error {
	s := f.Service
	head, err := s.log.Head(ctx)
	if err != nil {
		return err
	}
	trimmed, err := s.log.Trimmed(ctx)
	if err != nil {
		return err
	}
	indexes, err := s.indexes(ctx)
	if err != nil {
		return err
	}
	f.tidy(indexes)
	position, generations := head, map[string]*Generation{}
	for _, index := range indexes {
		g, at, ok := f.load(index)
		if ok && at.Epoch == s.log.Epoch() && at.Position >= trimmed && at.Position <= head {
			position = min(position, at.Position)
		} else if g, err = f.read(ctx, index); err != nil {
			return err
		} else {
			f.dirty = true
		}
		generations[index.ID] = g
	}
	f.tail, f.kept = tail{s.log, position}, position
	f.mu.Lock()
	f.generations = generations
	f.mu.Unlock()
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	return f.arrange(ctx)
}

// end writes the files and gives the memory back.
func (f *Follower) end() {
	f.save()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.generations {
		if err := g.close(); err != nil {
			slog.Warn("the vectors in memory could not be closed", "error", err)
		}
	}
	f.generations, f.active = nil, nil
}

// catchUp takes the events that there are. One that could not be taken is read again.
func (f *Follower) catchUp(ctx context.Context) error {
	for {
		before := f.tail.position
		events, more, lost, err := f.tail.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case lost:
			err = f.reread(ctx)
		case len(events) > 0:
			f.dirty = true
			err = f.take(ctx, events)
		}
		if err != nil {
			f.tail.position = before
			return err
		}
		f.position.Store(f.tail.position)
		if !more {
			return nil
		}
	}
}

// reread takes everything from the database.
func (f *Follower) reread(ctx context.Context) error {
	indexes, err := f.Service.indexes(ctx)
	if err != nil {
		return err
	}
	generations := map[string]*Generation{}
	for _, index := range indexes {
		if generations[index.ID], err = f.read(ctx, index); err != nil {
			return err
		}
	}
	f.dirty = true
	f.show(indexes, generations)
	return nil
}

// arrange takes the indexes that are new, drops those that are gone, and lets the active
// one answer.
func (f *Follower) arrange(ctx context.Context) error {
	indexes, err := f.Service.indexes(ctx)
	if err != nil {
		return err
	}
	generations := map[string]*Generation{}
	for _, index := range indexes {
		g, ok := f.Generation(index.ID)
		if !ok {
			if g, err = f.read(ctx, index); err != nil {
				return err
			}
		}
		generations[index.ID] = g
	}
	f.show(indexes, generations)
	return nil
}

// show lets callers see generations. Those that they saw before and still use stay as they
// are until nobody does: the collector takes them.
func (f *Follower) show(indexes []*Index, generations map[string]*Generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generations, f.active = generations, nil
	for _, index := range indexes {
		if index.State == Active {
			f.active = generations[index.ID]
		}
	}
}

// take takes events, whose order among each other does not matter: what they are about is
// read as it is now.
func (f *Follower) take(ctx context.Context, events []event.Event) error {
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
		if err := f.drop(ctx, source, ids); err != nil {
			return err
		}
	}
	if switched {
		if err := f.arrange(ctx); err != nil {
			return err
		}
	}
	for name, ids := range touched {
		source, err := f.Service.source(name)
		if err != nil {
			slog.Warn("something changed that this process does not know", "source", name)
			continue
		}
		if err := f.refresh(ctx, source, ids); err != nil {
			return err
		}
	}
	return nil
}

// drop takes objects out of all generations.
func (f *Follower) drop(ctx context.Context, source string, ids []string) error {
	var errs []error
	for _, g := range f.all() {
		for place, x := range g.shelves {
			if place.source == source {
				errs = append(errs, x.Delete(ctx, ids...))
			}
		}
		g.changes.Add(1)
	}
	return errors.Join(errs...)
}

func (f *Follower) all() []*Generation {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make([]*Generation, 0, len(f.generations))
	for _, g := range f.generations {
		all = append(all, g)
	}
	return all
}

// refresh reads objects anew.
func (f *Follower) refresh(ctx context.Context, source Source, ids []string) error {
	all := f.all()
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
		found, err := f.Service.storedOf(ctx, indexes, source.Name, some)
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
func replace(ctx context.Context, x *vector.Exact, ids []string, rows []vector.Row) error {
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
