package job

import (
	"context"
	"encoding/json"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/ent/gen/run"
	"parley/internal/auth"
)

// Work is a piece of work that is under way.
type Work struct {
	Kind    string
	Payload json.RawMessage
}

// UnderWay gives the work for a parent that is queued or runs, whoever asked for it.
func (s *Service) UnderWay(ctx context.Context, parent string) ([]Work, error) {
	ctx = auth.System(ctx, "job.underWay")
	client := s.store.Client(ctx)
	var runs []string
	err := client.Job.Query().Where(job.ParentID(parent), job.StateIn(Queued, Running)).Unique(true).Select(job.FieldRunID).Scan(ctx, &runs)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	rows, err := client.Run.Query().Where(run.IDIn(runs...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the work under way: %w", err)
	}
	all := make([]Work, len(rows))
	for i, r := range rows {
		all[i] = Work{r.Kind, r.Payload}
	}
	return all, nil
}

// Payload gives what a job was asked to do.
func (s *Service) Payload(ctx context.Context, j *gen.Job) (json.RawMessage, error) {
	ctx = auth.System(ctx, "job.payload")
	r, err := s.store.Client(ctx).Run.Get(ctx, j.RunID)
	if err != nil {
		return nil, fmt.Errorf("read the run of job %s: %w", j.ID, err)
	}
	return r.Payload, nil
}
