package job

import (
	"context"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/job"
	"parley/ent/gen/predicate"
	"parley/internal/auth"
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

// GetAll gives jobs of the viewer in the order of their ids; a missing one is
// NOT_FOUND.
func (s *Service) GetAll(ctx context.Context, ids []string) ([]*gen.Job, error) {
	rows, err := s.store.Client(ctx).Job.Query().Where(job.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	byID := make(map[string]*gen.Job, len(rows))
	for _, j := range rows {
		byID[j.ID] = j
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

// Try is an attempt as a job's owner sees it: numbered over all of the job's
// runs.
type Try struct {
	Number int
	*gen.Attempt
}

// Attempts gives the attempts of a job that the viewer was given, the oldest
// first.
func (s *Service) Attempts(ctx context.Context, j *gen.Job) ([]*Try, error) {
	ctx = auth.System(ctx, "job.attempts")
	runs := append(slices.Clone(j.EarlierRuns), j.RunID)
	rows, err := s.store.Client(ctx).Attempt.Query().Where(attempt.RunIDIn(runs...)).
		Order(gen.Asc(attempt.FieldStartedAt), gen.Asc(attempt.FieldID)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	tries := make([]*Try, 0, len(rows))
	for _, row := range rows {
		// A run may have gone on for others after this job left it.
		if j.FinishedAt != nil && row.StartedAt.After(*j.FinishedAt) {
			continue
		}
		tries = append(tries, &Try{Number: len(tries) + 1, Attempt: row})
	}
	return tries, nil
}

// Counts tells what the engine had to put right since the process started.
func (s *Service) Counts() (stale, rescued, retried int64) {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return s.stats.Stale, s.stats.Rescued, s.stats.Retried
}
