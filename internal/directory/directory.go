// Package directory knows the workers: what each said last of itself, who is
// there, and which pool can do a piece of work.
package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/workerannouncement"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// alive is how long after its last announcement a worker counts as there.
const alive = 3 * jobspec.AnnounceInterval

// Directory remembers for a second what the table of announcements says.
// Whoever reads it inside a transaction must not wait for somebody who waits
// for a connection: so readers never wait while there is an older copy.
type Directory struct {
	store   *store.Store
	loading sync.Mutex
	known   atomic.Pointer[known]
	// news counts what made known old.
	news atomic.Int64
	// tell is told what became of workers; see OnNews.
	tell func(ctx context.Context, n News) error
}

// New makes the directory of a database.
func New(s *store.Store) *Directory {
	return &Directory{store: s, tell: func(context.Context, News) error { return nil }}
}

type known struct {
	read    time.Time
	news    int64
	workers []Worker
}

// Worker is the last that a worker said of itself.
type Worker struct {
	ID      string
	SeenAt  time.Time
	Bundles []jobspec.Bundle
	// Folder is its models folder, nil where it told of none.
	Folder *jobspec.Folder
}

// Alive tells whether the worker announced itself lately.
func (w Worker) Alive() bool { return time.Since(w.SeenAt) < alive }

// Workers gives what the workers last announced, at most a second old.
func (d *Directory) Workers(ctx context.Context) ([]Worker, error) {
	return d.get(func() ([]Worker, error) { return d.Read(ctx) })
}

// Read gives what the workers last announced as it stands in the table, those that were
// seen last first.
func (d *Directory) Read(ctx context.Context) ([]Worker, error) {
	ctx = auth.System(ctx, "directory.workers")
	rows, err := d.store.Client(ctx).WorkerAnnouncement.Query().
		Order(gen.Desc(workerannouncement.FieldSeenAt)).Limit(1000).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the announcements: %w", err)
	}
	workers := make([]Worker, 0, len(rows))
	for _, row := range rows {
		var a jobspec.Announcement
		if err := json.Unmarshal(row.Announcement, &a); err != nil {
			return nil, fmt.Errorf("read the announcement of %s: %w", row.ID, err)
		}
		workers = append(workers, Worker{ID: row.ID, SeenAt: row.SeenAt, Bundles: a.Bundles, Folder: a.Folder})
	}
	return workers, nil
}

func (d *Directory) get(load func() ([]Worker, error)) ([]Worker, error) {
	k := d.known.Load()
	if k != nil && k.news == d.news.Load() && time.Since(k.read) < time.Second {
		return k.workers, nil
	}
	if k == nil {
		d.loading.Lock()
	} else if !d.loading.TryLock() {
		return k.workers, nil
	}
	defer d.loading.Unlock()
	news := d.news.Load()
	workers, err := load()
	if err != nil {
		return nil, err
	}
	d.known.Store(&known{time.Now(), news, workers})
	return workers, nil
}

// last gives what was read last, however long ago.
func (d *Directory) last() []Worker {
	if k := d.known.Load(); k != nil {
		return k.workers
	}
	return nil
}

// forget makes the next reader look again.
func (d *Directory) forget() { d.news.Add(1) }

// Bundles gives every bundle that was announced, those of living workers
// first.
func (d *Directory) Bundles(ctx context.Context) ([]jobspec.Bundle, error) {
	workers, err := d.Workers(ctx)
	if err != nil {
		return nil, err
	}
	living, gone := bundlesOf(workers)
	return append(living, gone...), nil
}

// Living gives the bundles of the workers that are there.
func (d *Directory) Living(ctx context.Context) ([]jobspec.Bundle, error) {
	workers, err := d.Workers(ctx)
	if err != nil {
		return nil, err
	}
	living, _ := bundlesOf(workers)
	return living, nil
}

func bundlesOf(workers []Worker) (living, gone []jobspec.Bundle) {
	for _, w := range workers {
		if w.Alive() {
			living = append(living, w.Bundles...)
		} else {
			gone = append(gone, w.Bundles...)
		}
	}
	return living, gone
}

// Pool gives the pool that choose finds among the bundles of living workers, else
// of those that are gone and may come back, else "".
func (d *Directory) Pool(choose func(bundles []jobspec.Bundle) string) string {
	living, gone := bundlesOf(d.last())
	if pool := choose(living); pool != "" {
		return pool
	}
	return choose(gone)
}

// LivingPools gives the pools that a living worker takes work from.
func (d *Directory) LivingPools(ctx context.Context) (map[string]bool, error) {
	workers, err := d.Workers(ctx)
	if err != nil {
		return nil, err
	}
	pools := map[string]bool{}
	for _, w := range workers {
		if !w.Alive() {
			continue
		}
		for _, b := range w.Bundles {
			pools[b.Pool] = b.Pool != ""
		}
	}
	return pools, nil
}
