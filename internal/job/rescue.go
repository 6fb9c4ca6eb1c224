package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"entgo.io/ent/dialect/sql"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/outbox"
	"parley/ent/gen/predicate"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Queue is what the rescuer asks the broker.
type Queue interface {
	// Held tells what the broker holds.
	Held(ctx context.Context) (Held, error)
	// Purge takes those messages of a run's work back that came up to a Last of
	// Held, from every queue.
	Purge(ctx context.Context, runID string, last uint64) error
}

// Held are the runs that the broker holds a message about.
type Held struct {
	// Work are those whose work waits or is in a worker's hands, Reports those of
	// which reports wait to be recorded.
	Work, Reports map[string]bool
	// Last numbers the newest message of work that the broker had been given.
	Last uint64
}

// lost is a run that was found without a sign of life, and why.
type lost struct {
	run    *gen.Run
	reason string
}

// Rescue finds runs that are running without a sign of life, runs that are
// queued without a message, and runs whose queue no living worker takes from
// although another one could do them. It gives each a new attempt and tells how
// many. The leading relay calls it from time to time; it makes good whatever
// the broker or a worker lost.
func (s *Service) Rescue(ctx context.Context, queue Queue) (int, error) {
	ctx = auth.System(ctx, "job.rescue")
	before := store.Now().Add(-s.cfg.Lost)
	rescued := 0
	// Asked once, after before: what is missing from it was not just published.
	held, err := queue.Held(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the broker what it holds: %w", err)
	}
	pools, err := s.workers.LivingPools(ctx)
	if err != nil {
		return 0, err
	}
	silent := []predicate.Run{literally("state = 'RUNNING'"), run.HeartbeatAtLT(before)}
	waiting := []predicate.Run{literally("state = 'QUEUED'"), run.PublishedAtLT(before)}
	for _, where := range [][]predicate.Run{silent, waiting} {
		n, err := s.rescueAll(ctx, queue, held, where, func(r *gen.Run) (string, error) {
			return s.whyLost(ctx, r, held.Work[r.ID], pools)
		})
		rescued += n
		if err != nil {
			return rescued, err
		}
	}
	return rescued, nil
}

// RescueFrom gives the runs of a worker that is known to be dead a new attempt, or ends
// those that took down too many, and tells how many there were.
func (s *Service) RescueFrom(ctx context.Context, queue Queue, worker string) (int, error) {
	ctx = auth.System(ctx, "job.rescueFrom")
	held, err := queue.Held(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the broker what it holds: %w", err)
	}
	where := []predicate.Run{literally("state = 'RUNNING'"), run.Worker(worker)}
	return s.rescueAll(ctx, queue, held, where, func(*gen.Run) (string, error) { return "Its worker died.", nil })
}

// rescueAll rescues the runs that match for which there is a reason and whose reports
// are not on their way.
func (s *Service) rescueAll(ctx context.Context, queue Queue, held Held, where []predicate.Run, why func(*gen.Run) (string, error)) (rescued int, err error) {
	err = s.eachRun(ctx, where, func(r *gen.Run) error {
		if held.Reports[r.ID] {
			return nil
		}
		reason, err := why(r)
		if err != nil || reason == "" {
			return err
		}
		done, err := s.rescue(ctx, lost{r, reason})
		if !done {
			return err
		}
		rescued++
		if !held.Work[r.ID] {
			return nil
		}
		// Only the old attempt's message: the new one may be out already. If nobody
		// takes it back, what its worker does is stale.
		if err := queue.Purge(ctx, r.ID, held.Last); err != nil {
			return fmt.Errorf("take run %s back: %w", r.ID, err)
		}
		return nil
	})
	return rescued, err
}

func (s *Service) whyLost(ctx context.Context, r *gen.Run, held bool, pools map[string]bool) (string, error) {
	switch {
	case r.State == run.StateRUNNING:
		return "Its worker stopped giving signs of life.", nil
	case !held:
		return "The broker lost its message.", nil
	case pools[r.Pool]:
		return "", nil
	}
	whole, err := s.store.Client(ctx).Run.Get(ctx, r.ID)
	if err != nil {
		return "", fmt.Errorf("read run %s: %w", r.ID, err)
	}
	if pools[s.Route(whole.Kind, whole.Payload)] {
		return "Its workers are gone, others can do it.", nil
	}
	return "", nil
}

// eachRun calls do with every run that matches, page by page, without payloads.
func (s *Service) eachRun(ctx context.Context, where []predicate.Run, do func(*gen.Run) error) error {
	after := ""
	for {
		page, err := s.store.Client(ctx).Run.Query().Where(where...).Where(run.IDGT(after)).
			Order(gen.Asc(run.FieldID)).Limit(rowsAtOnce).
			Select(run.FieldID, run.FieldState, run.FieldAttempt, run.FieldHeartbeatAt, run.FieldPool).All(ctx)
		if err != nil {
			return fmt.Errorf("find lost runs: %w", err)
		}
		for _, r := range page {
			if err := do(r); err != nil {
				return err
			}
			after = r.ID
		}
		if len(page) < rowsAtOnce {
			return nil
		}
	}
}

var errMovedOn = errors.New("the run moved on since it was found")

func (s *Service) rescue(ctx context.Context, found lost) (bool, error) {
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		l, err := s.lockLedger(ctx, found.run.ID)
		if err != nil {
			return err
		}
		r := l.runs[found.run.ID]
		if r == nil || r.Attempt != found.run.Attempt || r.State != found.run.State || moved(r, found.run) {
			return errMovedOn
		}
		if waits, err := s.inOutbox(ctx, r); err != nil {
			return err
		} else if waits {
			return errMovedOn
		}
		if err := l.rescue(ctx, r, found.reason); err != nil {
			return err
		}
		return l.close(ctx)
	})
	if errors.Is(err, errMovedOn) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.stats.rescued.Add(1)
	slog.Warn("run rescued", "run", found.run.ID, "attempt", found.run.Attempt, "state", found.run.State, "reason", found.reason)
	return true, nil
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

// rescue gives the run another attempt, or ends it when it took down too many
// workers. What the broker lost is not the run's fault: it costs a number, not
// one of its attempts.
func (l *ledger) rescue(ctx context.Context, r *gen.Run, reason string) error {
	out := Outcome{State: Dead, Code: jobspec.CodeWorkerLost, Message: reason}
	if r.State == run.StateQUEUED {
		l.begin(r, "", l.now)
		l.closeAttempt(r, attempt.OutcomeLOST, out)
		r.MaxAttempts++
		for _, j := range l.jobs[r.ID] {
			j.MaxAttempts++
		}
		if pool := l.Route(r.Kind, r.Payload); pool != "" {
			l.reroute(r, pool)
		}
		l.again(r, out, 0)
		return nil
	}
	l.closeAttempt(r, attempt.OutcomeLOST, out)
	before, err := l.store.Client(ctx).Attempt.Query().
		Where(attempt.RunID(r.ID), attempt.OutcomeEQ(attempt.OutcomeLOST), attempt.WorkerNEQ("")).Count(ctx)
	if err != nil {
		return fmt.Errorf("count lost workers: %w", err)
	}
	if before+1 >= jobspec.MaxLost || r.Attempt >= r.MaxAttempts {
		l.endRun(r, out)
		return nil
	}
	l.again(r, out, 0)
	return nil
}

// literally is a condition in the words of a partial index, which a parameter
// would keep both databases from using.
func literally(condition string) predicate.Run {
	return func(s *sql.Selector) { s.Where(sql.ExprP(condition)) }
}
