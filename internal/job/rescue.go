package job

import (
	"context"
	"fmt"
	"log/slog"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Queue tells whether the broker still holds the message of a run.
type Queue interface {
	Holds(ctx context.Context, runID string) (bool, error)
}

// Rescue finds runs that are running without a sign of life and runs that are
// queued without a message, and gives each a new attempt. It tells how many.
// The leading relay calls it every 30 seconds; it makes good whatever the
// broker or a worker lost.
func (s *Service) Rescue(ctx context.Context, queue Queue) (int, error) {
	ctx = auth.System(ctx, "job.rescue")
	const most = 500
	before := store.Now().Add(-s.cfg.Lost)
	silent, err := s.store.Client(ctx).Run.Query().
		Where(run.StateEQ(run.StateRUNNING), run.HeartbeatAtLT(before)).Limit(most).All(ctx)
	if err != nil {
		return 0, fmt.Errorf("find silent runs: %w", err)
	}
	waiting, err := s.store.Client(ctx).Run.Query().
		Where(run.StateEQ(run.StateQUEUED), run.PublishedAtLT(before)).Order(gen.Asc(run.FieldPublishedAt)).Limit(most).All(ctx)
	if err != nil {
		return 0, fmt.Errorf("find missing runs: %w", err)
	}
	rescued := 0
	for _, r := range silent {
		if err := s.rescue(ctx, r, "Its worker stopped giving signs of life."); err != nil {
			return rescued, err
		}
		rescued++
	}
	for _, r := range waiting {
		held, err := queue.Holds(ctx, r.ID)
		if err != nil {
			return rescued, fmt.Errorf("ask the broker for run %s: %w", r.ID, err)
		}
		if held {
			continue
		}
		if err := s.rescue(ctx, r, "The broker lost its message."); err != nil {
			return rescued, err
		}
		rescued++
	}
	return rescued, nil
}

func (s *Service) rescue(ctx context.Context, found *gen.Run, reason string) error {
	return s.store.Tx(ctx, func(ctx context.Context) error {
		runs, err := s.lockRuns(ctx, []report{{run: found.ID}})
		if err != nil {
			return err
		}
		// It may have moved on since it was found.
		r := runs[found.ID]
		if r == nil || r.Attempt != found.Attempt || r.State != found.State || moved(r, found) {
			return nil
		}
		if waits, err := s.inOutbox(ctx, r); err != nil || waits {
			return err
		}
		slog.Warn("run rescued", "run", r.ID, "attempt", r.Attempt, "state", r.State, "reason", reason)
		s.stats.add(&s.stats.Rescued, "rescued", "run", r.ID)
		rec := &recording{Service: s, client: s.store.Client(ctx), now: store.Now(), jobs: map[string][]*gen.Job{}}
		if err := rec.loadJobs(ctx, r.ID); err != nil {
			return err
		}
		if err := rec.rescue(ctx, r, reason); err != nil {
			return err
		}
		return rec.finish(ctx)
	})
}

func moved(now, found *gen.Run) bool {
	if now.HeartbeatAt == nil || found.HeartbeatAt == nil {
		return (now.HeartbeatAt == nil) != (found.HeartbeatAt == nil)
	}
	return !now.HeartbeatAt.Equal(*found.HeartbeatAt)
}

func (s *Service) inOutbox(ctx context.Context, r *gen.Run) (bool, error) {
	return s.store.Client(ctx).Outbox.Query().
		Where(outbox.RunID(r.ID), outbox.Attempt(r.Attempt), outbox.ActionEQ(outbox.ActionPUBLISH)).Exist(ctx)
}

func (rec *recording) rescue(ctx context.Context, r *gen.Run, reason string) error {
	out := Outcome{State: Dead, Code: jobspec.CodeWorkerLost, Message: reason}
	if r.State == run.StateRUNNING {
		if err := rec.closeAttempt(ctx, r, attempt.OutcomeLOST, out); err != nil {
			return err
		}
		lost, err := rec.client.Attempt.Query().Where(attempt.RunID(r.ID), attempt.OutcomeEQ(attempt.OutcomeLOST)).Count(ctx)
		if err != nil {
			return err
		}
		if lost >= maxLost || r.Attempt >= r.MaxAttempts {
			_, err := rec.endRun(ctx, r, out)
			return err
		}
	}
	_, err := rec.again(ctx, r, out, 0)
	return err
}
