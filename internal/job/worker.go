package job

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/run"
	"parley/ent/gen/workerannouncement"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// alive is how long after its last announcement a worker counts as there.
const alive = 3 * jobspec.AnnounceInterval

// directory remembers for a second what the table of announcements says.
// Whoever reads it inside a transaction must not wait for somebody who waits
// for a connection: so readers never wait while there is an older copy.
type directory struct {
	loading sync.Mutex
	known   atomic.Pointer[known]
	// news counts what made known old.
	news atomic.Int64
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
}

// Alive tells whether the worker announced itself lately.
func (w Worker) Alive() bool { return time.Since(w.SeenAt) < alive }

// Announce keeps a worker's announcement and sends the runs on their way that
// waited for somebody who can do them. Announcements of workers that have been
// gone for an hour are forgotten unless they are the last there is.
func (s *Service) Announce(ctx context.Context, a jobspec.Announcement) error {
	ctx = auth.System(ctx, "job.announce")
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("keep an announcement: %w", err)
	}
	now := store.Now()
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		client := s.store.Client(ctx)
		// Before the relay is woken, which would look at what was known before.
		store.AfterCommit(ctx, s.workers.forget)
		if err := client.WorkerAnnouncement.Create().SetID(a.Worker).SetSeenAt(now).SetAnnouncement(data).
			OnConflictColumns(workerannouncement.FieldID).UpdateNewValues().Exec(ctx); err != nil {
			return err
		}
		if _, err := client.WorkerAnnouncement.Delete().
			Where(workerannouncement.SeenAtLT(now.Add(-time.Hour))).Exec(ctx); err != nil {
			return err
		}
		return s.releaseUnrouted(ctx, now)
	})
	if err != nil {
		return fmt.Errorf("keep an announcement: %w", err)
	}
	return nil
}

// releaseUnrouted makes the outbox look again at runs that have no pool.
func (s *Service) releaseUnrouted(ctx context.Context, now time.Time) error {
	n, err := s.store.Exec(ctx, `UPDATE outbox SET run_at = ? WHERE action = 'PUBLISH' AND run_at > ?
		AND run_id IN (SELECT id FROM runs WHERE pool = '' AND state = 'QUEUED')`, now, now)
	if n > 0 {
		slog.Info("work that waited for a worker goes on", "runs", n)
		s.log.Wake(ctx)
	}
	return err
}

// Workers gives what the workers last announced, at most a second old.
func (s *Service) Workers(ctx context.Context) ([]Worker, error) {
	return s.workers.get(func() ([]Worker, error) {
		ctx := auth.System(ctx, "job.workers")
		rows, err := s.store.Client(ctx).WorkerAnnouncement.Query().
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
			workers = append(workers, Worker{ID: row.ID, SeenAt: row.SeenAt, Bundles: a.Bundles})
		}
		return workers, nil
	})
}

func (d *directory) get(load func() ([]Worker, error)) ([]Worker, error) {
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
func (d *directory) last() []Worker {
	if k := d.known.Load(); k != nil {
		return k.workers
	}
	return nil
}

// forget makes the next reader look again.
func (d *directory) forget() { d.news.Add(1) }

// Bundles gives every bundle that was announced, those of living workers
// first.
func (s *Service) Bundles(ctx context.Context) ([]jobspec.Bundle, error) {
	workers, err := s.Workers(ctx)
	if err != nil {
		return nil, err
	}
	living, gone := bundlesOf(workers)
	return append(living, gone...), nil
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

// route gives the pool for a payload: of a living worker, else of one that is
// gone and may come back, else "", which leaves the run for the relay to route.
func (s *Service) route(kind string, payload json.RawMessage) string {
	k, err := s.kind(kind)
	if err != nil || k.Route == nil {
		return ""
	}
	living, gone := bundlesOf(s.workers.last())
	if pool := k.Route(payload, living); pool != "" {
		return pool
	}
	return k.Route(payload, gone)
}

// WaitingOf tells of jobs that the viewer was given, by id, which of them wait
// because no living worker can do them.
func (s *Service) WaitingOf(ctx context.Context, jobs []*gen.Job) (map[string]bool, error) {
	ctx = auth.System(ctx, "job.waiting")
	var runs []string
	for _, j := range jobs {
		if j.State == Queued {
			runs = append(runs, j.RunID)
		}
	}
	if len(runs) == 0 {
		return nil, nil
	}
	rows, err := s.store.Client(ctx).Run.Query().Where(run.IDIn(runs...)).Select(run.FieldID, run.FieldPool).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	living, err := s.livingPools(ctx)
	if err != nil {
		return nil, err
	}
	served := make(map[string]bool, len(rows))
	for _, r := range rows {
		served[r.ID] = living[r.Pool]
	}
	waiting := make(map[string]bool, len(runs))
	for _, j := range jobs {
		waiting[j.ID] = j.State == Queued && !served[j.RunID]
	}
	return waiting, nil
}

// livingPools gives the pools that a living worker takes work from.
func (s *Service) livingPools(ctx context.Context) (map[string]bool, error) {
	workers, err := s.Workers(ctx)
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
