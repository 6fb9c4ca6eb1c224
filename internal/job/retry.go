package job

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Retry reopens a FAILED, DEAD or CANCELLED job under its id with new
// attempts; anything else is CONFLICT.
func (s *Service) Retry(ctx context.Context, id string) (*gen.Job, error) {
	if err := store.CheckID("job", id, "input", "id"); err != nil {
		return nil, err
	}
	var retried *gen.Job
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		q := store.ForUpdate(s.store, s.store.Client(ctx).Job.Query().Where(job.ID(id)))
		j, err := q.Only(ctx)
		if err != nil {
			return store.Found(err, "job")
		}
		if j.State != Failed && j.State != Dead && j.State != Cancelled {
			return apperr.New(apperr.Conflict, "Only a job that failed, died or was cancelled can be retried; this one is %s.", j.State)
		}
		retried, err = s.reopen(auth.System(ctx, "job.retry"), j)
		return err
	})
	return retried, err
}

func (s *Service) reopen(ctx context.Context, j *gen.Job) (*gen.Job, error) {
	if err := s.checkQuota(ctx, []Request{{Owner: j.OwnerID}}); err != nil {
		return nil, err
	}
	kind, err := s.kind(j.Kind)
	if err != nil {
		return nil, err
	}
	payload, err := kind.Reopen(ctx, j)
	if err != nil {
		return nil, err
	}
	key := activeKey(j.Kind, payload)
	runs, err := s.attach(ctx, []work{{kind: j.Kind, payload: payload, lane: jobspec.Lane(j.Lane), key: key}})
	if err != nil {
		return nil, err
	}
	on := runs[key]
	state, attempts := standing(on)
	base := j.AttemptBase
	u := j.Update().SetState(state).SetRunAt(on.RunAt).
		SetVersion(j.Version + 1).ClearErrorCode().ClearErrorMessage().ClearFinishedAt()
	// A run that went on for others is joined again as if it was never left.
	if on.ID != j.RunID {
		base = j.Attempt
		u.SetRunID(on.ID).SetAttemptBase(base).SetEarlierRuns(append(j.EarlierRuns, tenure{j.RunID, j.Attempt - j.AttemptBase}.String()))
	}
	reopened, err := u.SetAttempt(base + attempts).SetMaxAttempts(base + on.MaxAttempts).Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("reopen job %s: %w", j.ID, err)
	}
	return reopened, s.log.Append(ctx, changed(reopened))
}
