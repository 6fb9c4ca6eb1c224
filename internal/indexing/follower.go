package indexing

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/auth"
)

// Follower gives a process the vectors of all search indexes, and follows what changes of
// them. Each API process runs one.
type Follower struct {
	Service *Service
	Listen  Listen
	// Folder is where files of the vectors are kept from one start to the next, and
	// without a name those that the codes in memory were made from. It is made where it
	// is missing. "" keeps everything in memory, and reads the database at each start.
	Folder string
	// Shared is a database with pgvector that all processes search instead of their
	// memory. One of them keeps it current.
	Shared *sql.DB
	// Save is how often it is written down up to which event the vectors are right while
	// something changes, beside the one time at the end: the files 1 h, the note in a
	// shared database 10 s.
	Save time.Duration

	view
}

// view is what callers see of the search indexes.
type view struct {
	mu          sync.RWMutex
	generations map[string]*Generation
	active      *Generation
	// position is up to which event it shows what happened.
	position atomic.Int64
}

// Active gives the generation that answers, once its vectors are there.
func (v *view) Active() (*Generation, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.active, v.active != nil
}

// Generation gives that of a search index, once its vectors are there.
func (v *view) Generation(id string) (*Generation, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	g, ok := v.generations[id]
	return g, ok
}

// Position is up to which event what callers see is right; 0 before the first time.
func (v *view) Position() int64 { return v.position.Load() }

// show lets callers see generations. Those that they saw before and still use stay as they
// are until nobody does: the collector takes them.
func (v *view) show(indexes []*Index, generations map[string]*Generation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.generations, v.active = generations, nil
	for _, index := range indexes {
		if index.State == Active {
			v.active = generations[index.ID]
		}
	}
}

func (v *view) all() []*Generation {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make([]*Generation, 0, len(v.generations))
	for _, g := range v.generations {
		all = append(all, g)
	}
	return all
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	ctx = auth.System(ctx, "indexing.follow")
	if f.Shared != nil {
		return f.runShared(ctx)
	}
	save := f.Save
	if save <= 0 {
		save = time.Hour
	}
	r := &replica{Service: f.Service, view: &f.view, home: &files{f.Service, f.Folder}}
	defer r.end(ctx)
	return f.Listen.follow(ctx, save, r.follow, r.save)
}

// follow takes what there is to know whenever it is woken, until ctx ends, and calls tick
// from time to time.
func (l Listen) follow(ctx context.Context, every time.Duration, take func(ctx context.Context) error, tick func(ctx context.Context)) error {
	news := make(chan struct{}, 1)
	stop := l(func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	defer stop()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := take(ctx)
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			slog.Error("the vectors could not be brought up to date, it is tried again", "error", err)
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-again:
		case <-ticker.C:
			tick(ctx)
		}
	}
}
