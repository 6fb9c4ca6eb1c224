package job

import (
	"context"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// unroutedPause is how long the outbox leaves a run alone that no worker can
// do; an announcement wakes it earlier.
const unroutedPause = time.Hour

// Dispatch is one outbox row with what the relay needs to act on it.
type Dispatch struct {
	row int64
	// Cancel is set when the run is to be taken back; otherwise Job is to be
	// published.
	Cancel bool
	Job    jobspec.Job
}

// Due gives the outbox rows whose time has come, the oldest first, and when
// the next one is due (zero for none). Rows that no longer matter are deleted
// on the way; runs that no worker can do are put off.
func (s *Service) Due(ctx context.Context, limit int) ([]Dispatch, time.Time, error) {
	ctx = auth.System(ctx, "job.dispatch")
	var due []Dispatch
	var next time.Time
	rows, err := s.store.Client(ctx).Outbox.Query().Where(outbox.RunAtLTE(store.Now())).
		Order(gen.Asc(outbox.FieldID)).Limit(limit).All(ctx)
	if err != nil {
		return nil, next, fmt.Errorf("read the outbox: %w", err)
	}
	if len(rows) == 0 {
		first, err := s.store.Client(ctx).Outbox.Query().Order(gen.Asc(outbox.FieldRunAt)).First(ctx)
		if err == nil {
			next = first.RunAt
		} else if !gen.IsNotFound(err) {
			return nil, next, fmt.Errorf("read the outbox: %w", err)
		}
		return nil, next, nil
	}
	runs, err := s.runsOf(ctx, rows)
	if err != nil {
		return nil, next, err
	}
	var stale []int64
	for _, row := range rows {
		if row.Action == outbox.ActionCANCEL {
			due = append(due, Dispatch{row: row.ID, Cancel: true, Job: jobspec.Job{Run: row.RunID, Attempt: row.Attempt}})
			continue
		}
		r := runs[row.RunID]
		if r == nil || r.State != run.StateQUEUED || r.Attempt != row.Attempt {
			stale = append(stale, row.ID)
			continue
		}
		if r.Pool == "" {
			if r.Pool, err = s.routeLate(ctx, r, row); err != nil {
				return nil, next, err
			}
			if r.Pool == "" {
				continue
			}
		}
		due = append(due, Dispatch{row: row.ID, Job: jobspec.Job{
			Run: r.ID, Attempt: r.Attempt, Kind: r.Kind, Pool: r.Pool, Lane: jobspec.Lane(r.Lane),
			Moved: r.PublishedAt != nil, Payload: r.Payload,
		}})
	}
	if len(stale) > 0 {
		if err := s.deleteOutbox(ctx, stale); err != nil {
			return nil, next, err
		}
	}
	return due, next, nil
}

func (s *Service) runsOf(ctx context.Context, rows []*gen.Outbox) (map[string]*gen.Run, error) {
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, row.RunID)
	}
	found, err := s.store.Client(ctx).Run.Query().Where(run.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the outbox's runs: %w", err)
	}
	byID := make(map[string]*gen.Run, len(found))
	for _, r := range found {
		byID[r.ID] = r
	}
	return byID, nil
}

// routeLate looks for a pool again and puts the row off when there is none.
func (s *Service) routeLate(ctx context.Context, r *gen.Run, row *gen.Outbox) (string, error) {
	if _, err := s.Workers(ctx); err != nil {
		return "", err
	}
	pool := s.route(r.Kind, r.Payload)
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		client := s.store.Client(ctx)
		if pool != "" {
			return client.Run.UpdateOneID(r.ID).SetPool(pool).Exec(ctx)
		}
		return client.Outbox.UpdateOneID(row.ID).SetRunAt(store.Now().Add(unroutedPause)).Exec(ctx)
	})
	if err != nil {
		return "", fmt.Errorf("route run %s: %w", r.ID, err)
	}
	return pool, nil
}

// Dispatched forgets outbox rows that the broker has taken over and notes when.
func (s *Service) Dispatched(ctx context.Context, done []Dispatch) error {
	if len(done) == 0 {
		return nil
	}
	ctx = auth.System(ctx, "job.dispatch")
	rows := make([]int64, len(done))
	var published []string
	for i, d := range done {
		rows[i] = d.row
		if !d.Cancel {
			published = append(published, d.Job.Run)
		}
	}
	return s.store.Tx(ctx, func(ctx context.Context) error {
		if len(published) > 0 {
			in, args := store.In(published)
			if _, err := s.store.Exec(ctx, "UPDATE runs SET published_at = ? WHERE state = 'QUEUED' AND id IN "+in,
				append([]any{store.Now()}, args...)...); err != nil {
				return fmt.Errorf("note what was published: %w", err)
			}
		}
		return s.deleteOutbox(ctx, rows)
	})
}

func (s *Service) deleteOutbox(ctx context.Context, rows []int64) error {
	in, args := store.In(rows)
	if _, err := s.store.Exec(ctx, "DELETE FROM outbox WHERE id IN "+in, args...); err != nil {
		return fmt.Errorf("delete from the outbox: %w", err)
	}
	return nil
}
