package job

import (
	"context"
	"database/sql"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/ent/gen/predicate"
	"parley/internal/page"
	"parley/internal/store"
)

// Get gives a job of the viewer.
func (s *Service) Get(ctx context.Context, id string) (*gen.Job, error) {
	if err := store.CheckID("job", id, "id"); err != nil {
		return nil, err
	}
	j, err := s.store.Client(ctx).Job.Get(ctx, id)
	return j, store.Found(err, "job")
}

// ByID gives those of the jobs that the viewer may see, by id.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*gen.Job, error) {
	rows, err := s.store.Client(ctx).Job.Query().Where(job.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	byID := make(map[string]*gen.Job, len(rows))
	for _, j := range rows {
		byID[j.ID] = j
	}
	return byID, nil
}

// GetAll gives jobs of the viewer in the order of their ids; a missing one is
// NOT_FOUND.
func (s *Service) GetAll(ctx context.Context, ids []string) ([]*gen.Job, error) {
	byID, err := s.ByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	jobs := make([]*gen.Job, len(ids))
	for i, id := range ids {
		if jobs[i] = byID[id]; jobs[i] == nil {
			return nil, store.Found(&gen.NotFoundError{}, "job")
		}
	}
	return jobs, nil
}

// Filter narrows List; zero values match everything.
type Filter struct {
	States []State
	Kind   string
	// Parent is what the jobs are about, for example a note's id.
	Parent string
}

// List gives a page of the viewer's jobs, the newest first; an admin's list
// holds everybody's.
func (s *Service) List(ctx context.Context, f Filter, args page.Args) (*page.Page[*gen.Job], error) {
	var where []predicate.Job
	if len(f.States) > 0 {
		where = append(where, job.StateIn(f.States...))
	}
	if f.Kind != "" {
		where = append(where, job.Kind(f.Kind))
	}
	if f.Parent != "" {
		where = append(where, job.ParentID(f.Parent))
	}
	order := page.Order[*gen.Job]{
		Name: "CREATED_AT", Column: job.FieldCreatedAt, Descending: true,
		Key: func(j *gen.Job) (any, string) { return j.CreatedAt, j.ID },
	}
	return page.Load(args, order,
		func(p page.Cut, limit int) ([]*gen.Job, error) {
			return s.store.Client(ctx).Job.Query().Where(where...).Where(predicate.Job(p.Where)).
				Order(job.OrderOption(p.Order)).Limit(limit).All(ctx)
		},
		func() (int, error) { return s.store.Client(ctx).Job.Query().Where(where...).Count(ctx) },
	)
}

// inFlight counts the active jobs of an owner. The states are literals, as in
// the partial index job_owner_active: with parameters neither database can use
// it, and each mutation would walk all the jobs that the owner ever had.
func (s *Service) inFlight(ctx context.Context, owner string) (int, error) {
	var n int
	err := s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) },
		"SELECT COUNT(*) FROM jobs WHERE owner_id = ? AND (state = 'QUEUED' OR state = 'RUNNING')", owner)
	return n, err
}

// emptyRuns deletes what runs that have ended were given to do, where no job hangs
// on them any more. A retry is given it anew.
func (s *Service) emptyRuns(ctx context.Context, runs []string) error {
	condition, arg := store.Among(s.store, "id", runs)
	_, err := s.store.Exec(ctx, `UPDATE runs SET payload = '{}' WHERE `+condition+` AND state NOT IN ('QUEUED', 'RUNNING')
		AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.run_id = runs.id)`, arg)
	if err != nil {
		return fmt.Errorf("empty runs: %w", err)
	}
	return nil
}

// dropPayloads deletes what runs were given to do.
func (s *Service) dropPayloads(ctx context.Context, runs []string) error {
	condition, arg := store.Among(s.store, "id", runs)
	if _, err := s.store.Exec(ctx, `UPDATE runs SET payload = '{}' WHERE `+condition, arg); err != nil {
		return fmt.Errorf("drop what runs were given to do: %w", err)
	}
	return nil
}
