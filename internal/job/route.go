package job

import (
	"context"
	"encoding/json"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/jobspec"
)

// Route gives the pool for a payload: of a living worker, else of one that is
// gone and may come back, else "", which leaves the run for its dispatch to route.
func (s *Service) Route(kind string, payload json.RawMessage) string {
	k, err := s.kind(kind)
	if err != nil || k.Route == nil {
		return ""
	}
	return s.workers.Pool(func(bundles []jobspec.Bundle) string { return k.Route(payload, bundles) })
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
	living, err := s.workers.LivingPools(ctx)
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
