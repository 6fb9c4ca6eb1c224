package job

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/job"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Cancel ends a job of the viewer as CANCELLED; after its end it is a no-op.
// The run goes on while another job hangs on it.
func (s *Service) Cancel(ctx context.Context, id string) (*gen.Job, error) {
	if err := store.CheckID("job", id, "input", "id"); err != nil {
		return nil, err
	}
	var cancelled *gen.Job
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		j, err := s.own(ctx, id)
		if err != nil {
			return err
		}
		if Final(j.State) {
			cancelled = j
			return nil
		}
		if err := s.CancelAll(ctx, j); err != nil {
			return err
		}
		cancelled, err = s.store.Client(ctx).Job.Get(auth.System(ctx, "job.cancel"), id)
		return err
	})
	return cancelled, err
}

// own gives a job that the viewer may act on, locked, or NOT_FOUND.
func (s *Service) own(ctx context.Context, id string) (*gen.Job, error) {
	q := s.store.Client(ctx).Job.Query().Where(job.ID(id))
	if s.store.Postgres() {
		q = q.ForUpdate()
	}
	j, err := q.Only(ctx)
	return j, store.Found(err, "job")
}

// CancelAll ends active jobs inside the transaction of the context, for a
// domain that no longer wants their results. It calls the kind's Apply.
func (s *Service) CancelAll(ctx context.Context, jobs ...*gen.Job) error {
	ctx = auth.System(ctx, "job.cancel")
	rec := &recording{Service: s, client: s.store.Client(ctx), now: store.Now()}
	for _, j := range jobs {
		if Final(j.State) {
			continue
		}
		r, err := rec.client.Run.Get(ctx, j.RunID)
		if err != nil {
			return fmt.Errorf("read the run of job %s: %w", j.ID, err)
		}
		attempts := *r
		attempts.Attempt = j.Attempt - j.AttemptBase
		if err := rec.endJob(ctx, j, &attempts, Outcome{State: Cancelled}); err != nil {
			return err
		}
		if err := rec.detach(ctx, r); err != nil {
			return err
		}
	}
	return rec.finish(ctx)
}

// CancelFor ends every active job whose parent is the given one.
func (s *Service) CancelFor(ctx context.Context, parent string) error {
	ctx = auth.System(ctx, "job.cancel")
	q := s.store.Client(ctx).Job.Query().Where(job.ParentID(parent), job.StateIn(Queued, Running)).Order(gen.Asc(job.FieldID))
	if s.store.Postgres() {
		q = q.ForUpdate()
	}
	active, err := q.All(ctx)
	if err != nil {
		return fmt.Errorf("find the jobs of %s: %w", parent, err)
	}
	return s.CancelAll(ctx, active...)
}

// detach cancels the run when no active job is left on it.
func (rec *recording) detach(ctx context.Context, r *gen.Run) error {
	left, err := rec.client.Job.Query().Where(job.RunID(r.ID), job.StateIn(Queued, Running)).Exist(ctx)
	if err != nil || left || Final(State(r.State)) {
		return err
	}
	if r.State == run.StateRUNNING {
		if err := rec.closeAttempt(ctx, r, attempt.OutcomeCANCELLED, Outcome{}); err != nil {
			return err
		}
	}
	if err := r.Update().SetState(run.StateCANCELLED).ClearActiveKey().Exec(ctx); err != nil {
		return err
	}
	if _, err := rec.client.Outbox.Delete().Where(outbox.RunID(r.ID)).Exec(ctx); err != nil {
		return err
	}
	return rec.client.Outbox.Create().SetAction(outbox.ActionCANCEL).SetRunID(r.ID).SetAttempt(r.Attempt).
		SetRunAt(rec.now).Exec(ctx)
}

// Retry reopens a FAILED, DEAD or CANCELLED job under its id with new
// attempts; anything else is CONFLICT.
func (s *Service) Retry(ctx context.Context, id string) (*gen.Job, error) {
	if err := store.CheckID("job", id, "input", "id"); err != nil {
		return nil, err
	}
	var retried *gen.Job
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		j, err := s.own(ctx, id)
		if err != nil {
			return err
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
	r, err := s.attach(ctx, j.Kind, payload, jobspec.Lane(j.Lane))
	if err != nil {
		return nil, err
	}
	u := j.Update().SetState(Queued).SetRunID(r.ID).SetEarlierRuns(append(j.EarlierRuns, j.RunID)).
		SetAttemptBase(j.Attempt).SetMaxAttempts(j.Attempt + r.MaxAttempts).SetRunAt(r.RunAt).
		SetVersion(j.Version + 1).ClearErrorCode().ClearErrorMessage().ClearFinishedAt()
	if r.State == run.StateRUNNING {
		u.SetState(Running).SetAttempt(j.Attempt + r.Attempt)
	}
	reopened, err := u.Save(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.log.Append(ctx, changed(reopened, reopened.Version, reopened.State)); err != nil {
		return nil, err
	}
	store.AfterCommit(ctx, s.wake)
	return reopened, nil
}
