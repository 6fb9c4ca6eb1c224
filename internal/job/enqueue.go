package job

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Request asks for one piece of work on behalf of its owner.
type Request struct {
	// ID of the job to make, from store.NewID("job"); the caller writes it
	// into its own row.
	ID      string
	Owner   string
	Kind    string
	Payload json.RawMessage
	// Subject is the row that the result is for, Parent what it belongs to.
	Subject, Parent string
	Lane            jobspec.Lane
}

// Enqueue records jobs inside the transaction of the context. Equal work that
// is already under way is joined, not done again.
func (s *Service) Enqueue(ctx context.Context, requests ...Request) ([]*gen.Job, error) {
	if !store.InTx(ctx) {
		return nil, errors.New("job: Enqueue outside of a transaction")
	}
	ctx = auth.System(ctx, "job.enqueue")
	if err := s.checkQuota(ctx, requests); err != nil {
		return nil, err
	}
	jobs := make([]*gen.Job, 0, len(requests))
	changes := make([]event.Change, 0, len(requests))
	for _, r := range requests {
		if _, err := s.kind(r.Kind); err != nil {
			return nil, err
		}
		work, err := s.attach(ctx, r.Kind, r.Payload, r.Lane)
		if err != nil {
			return nil, err
		}
		create := s.store.Client(ctx).Job.Create().SetID(r.ID).SetOwnerID(r.Owner).SetKind(r.Kind).
			SetSubjectID(r.Subject).SetParentID(r.Parent).SetLane(string(r.Lane)).
			SetRunID(work.ID).SetMaxAttempts(work.MaxAttempts).SetRunAt(work.RunAt)
		if work.State == run.StateRUNNING {
			create.SetState(Running).SetAttempt(work.Attempt)
		}
		j, err := create.Save(ctx)
		if err != nil {
			return nil, fmt.Errorf("record a job: %w", err)
		}
		jobs = append(jobs, j)
		changes = append(changes, changed(j, j.Version, j.State))
	}
	if err := s.log.Append(ctx, changes...); err != nil {
		return nil, err
	}
	store.AfterCommit(ctx, s.wake)
	return jobs, nil
}

// attach gives the active run for equal work, or a new one with its message in
// the outbox.
func (s *Service) attach(ctx context.Context, kind string, payload json.RawMessage, lane jobspec.Lane) (*gen.Run, error) {
	key := activeKey(kind, payload)
	client := s.store.Client(ctx)
	q := client.Run.Query().Where(run.ActiveKey(key))
	if s.store.Postgres() {
		q = q.ForUpdate()
	}
	existing, err := q.Only(ctx)
	if err == nil {
		return s.hasten(ctx, existing, lane)
	}
	if !gen.IsNotFound(err) {
		return nil, err
	}
	now := store.Now()
	id := store.NewID("run")
	err = client.Run.Create().SetID(id).SetKind(kind).SetPool(s.route(kind, payload)).SetLane(string(lane)).
		SetPayload(payload).SetActiveKey(key).SetMaxAttempts(s.cfg.MaxAttempts).SetRunAt(now).
		OnConflictColumns(run.FieldActiveKey).DoNothing().Exec(ctx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("record a run: %w", err)
	}
	// Whoever inserted first made the run; its outbox row is theirs too.
	made, err := client.Run.Query().Where(run.ActiveKey(key)).Only(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the run: %w", err)
	}
	if made.ID != id {
		return s.hasten(ctx, made, lane)
	}
	return made, s.publish(ctx, made.ID, made.Attempt, now)
}

// hasten moves a bulk run that still waits to the interactive lane when
// somebody now waits for it.
func (s *Service) hasten(ctx context.Context, r *gen.Run, lane jobspec.Lane) (*gen.Run, error) {
	if lane != jobspec.LaneInteractive || r.Lane == string(lane) || r.State != run.StateQUEUED {
		return r, nil
	}
	moved, err := r.Update().SetLane(string(lane)).Save(ctx)
	if err != nil {
		return nil, err
	}
	if r.PublishedAt == nil {
		return moved, nil
	}
	return moved, s.publish(ctx, r.ID, r.Attempt, store.Now())
}

// publish leaves an attempt in the outbox.
func (s *Service) publish(ctx context.Context, runID string, attempt int, at time.Time) error {
	err := s.store.Client(ctx).Outbox.Create().SetAction(outbox.ActionPUBLISH).SetRunID(runID).SetAttempt(attempt).SetRunAt(at).Exec(ctx)
	if err != nil {
		return fmt.Errorf("leave an attempt in the outbox: %w", err)
	}
	return nil
}

// checkQuota refuses what would give an owner more jobs in flight than allowed.
func (s *Service) checkQuota(ctx context.Context, requests []Request) error {
	wanted := map[string]int{}
	for _, r := range requests {
		wanted[r.Owner]++
	}
	for owner, n := range wanted {
		active, err := s.store.Client(ctx).Job.Query().
			Where(job.OwnerID(owner), job.StateIn(Queued, Running)).Count(ctx)
		if err != nil {
			return err
		}
		if active+n > s.cfg.MaxPerUser {
			return apperr.Limited(10*time.Second, "You have %d jobs in flight and may have %d: come back when some are done.",
				active, s.cfg.MaxPerUser)
		}
	}
	return nil
}
