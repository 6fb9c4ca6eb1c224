package job

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
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

// directory remembers for a moment what the table of announcements says.
type directory struct {
	mu      sync.Mutex
	read    time.Time
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
	s.workers.forget()
	return nil
}

// releaseUnrouted makes the outbox look again at runs that have no pool.
func (s *Service) releaseUnrouted(ctx context.Context, now time.Time) error {
	n, err := s.store.Exec(ctx, `UPDATE outbox SET run_at = ? WHERE action = 'PUBLISH' AND run_at > ?
		AND run_id IN (SELECT id FROM runs WHERE pool = '' AND state = 'QUEUED')`, now, now)
	if n > 0 {
		slog.Info("work that waited for a worker goes on", "runs", n)
		store.AfterCommit(ctx, s.wake)
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
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.read) < time.Second {
		return d.workers, nil
	}
	workers, err := load()
	if err != nil {
		return nil, err
	}
	d.read, d.workers = time.Now(), workers
	return workers, nil
}

func (d *directory) forget() {
	d.mu.Lock()
	d.read = time.Time{}
	d.mu.Unlock()
}

// Bundles gives every bundle that was announced, those of living workers
// first.
func (s *Service) Bundles(ctx context.Context) ([]jobspec.Bundle, error) {
	workers, err := s.Workers(ctx)
	if err != nil {
		return nil, err
	}
	var living, gone []jobspec.Bundle
	for _, w := range workers {
		if w.Alive() {
			living = append(living, w.Bundles...)
		} else {
			gone = append(gone, w.Bundles...)
		}
	}
	return append(living, gone...), nil
}

// route gives the pool for a payload or "" when no announcement covers it. A
// failed look-up leaves the run for the relay to route.
func (s *Service) route(kind string, payload json.RawMessage) string {
	k, err := s.kind(kind)
	if err != nil || k.Route == nil {
		return ""
	}
	s.workers.mu.Lock()
	workers := s.workers.workers
	s.workers.mu.Unlock()
	var bundles []jobspec.Bundle
	for _, w := range workers {
		bundles = append(bundles, w.Bundles...)
	}
	return k.Route(payload, bundles)
}

// WaitsForWorker tells whether a queued job waits because no living worker can
// do it.
func (s *Service) WaitsForWorker(ctx context.Context, j *gen.Job) (bool, error) {
	if j.State != Queued {
		return false, nil
	}
	ctx = auth.System(ctx, "job.waiting")
	r, err := s.store.Client(ctx).Run.Query().Where(run.ID(j.RunID)).Select(run.FieldPool).Only(ctx)
	if err != nil {
		return false, fmt.Errorf("read the run of job %s: %w", j.ID, err)
	}
	workers, err := s.Workers(ctx)
	if err != nil {
		return false, err
	}
	for _, w := range workers {
		if !w.Alive() {
			continue
		}
		for _, b := range w.Bundles {
			if r.Pool != "" && b.Pool == r.Pool {
				return false, nil
			}
		}
	}
	return true, nil
}
