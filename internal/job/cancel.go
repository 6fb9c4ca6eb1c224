package job

import (
	"context"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/internal/auth"
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
		// A retry may hang the job on another run between reading and locking.
		for {
			j, err := s.store.Client(ctx).Job.Get(ctx, id)
			if err != nil {
				return store.Found(err, "job")
			}
			if Final(j.State) {
				cancelled = j
				return nil
			}
			system := auth.System(ctx, "job.cancel")
			l, err := s.lockLedger(system, j.RunID)
			if err != nil {
				return err
			}
			if j := l.find(id, j.RunID); j != nil {
				l.cancel(j)
				cancelled = j
				return l.close(system)
			}
		}
	})
	return cancelled, err
}

// find gives an active job of a run.
func (l *ledger) find(id, runID string) *gen.Job {
	for _, j := range l.jobs[runID] {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// CancelFor ends every active job of the parents, inside the transaction of the
// context, for a domain that no longer wants the results. It calls the kind's
// Apply.
func (s *Service) CancelFor(ctx context.Context, parents ...string) error {
	return s.endFor(ctx, func(*ledger, *gen.Job) bool { return false }, parents...)
}

// StopFor ends the active jobs of a parent, inside the transaction of the context: those
// of the kinds that give what there is so far, as soon as their worker has given it, and
// the others, as well as what was not begun, at once as CANCELLED. A run that others hang
// on goes on for them.
func (s *Service) StopFor(ctx context.Context, parent string, kinds ...string) error {
	return s.endFor(ctx, func(l *ledger, j *gen.Job) bool {
		begun := j.Attempt > j.AttemptBase
		if !begun || !slices.Contains(kinds, j.Kind) || len(l.jobs[j.RunID]) > 1 {
			return false
		}
		l.stopped = append(l.stopped, l.runs[j.RunID])
		return true
	}, parent)
}

// endFor cancels the active jobs of the parents that otherwise does not take care of.
func (s *Service) endFor(ctx context.Context, otherwise func(*ledger, *gen.Job) bool, parents ...string) error {
	ctx = auth.System(ctx, "job.cancel")
	active, err := s.store.Client(ctx).Job.Query().Where(job.ParentIDIn(parents...), job.StateIn(Queued, Running)).All(ctx)
	if err != nil {
		return fmt.Errorf("find the jobs of what ends: %w", err)
	}
	if len(active) == 0 {
		return nil
	}
	runs := make([]string, len(active))
	for i, j := range active {
		runs[i] = j.RunID
	}
	l, err := s.lockLedger(ctx, runs...)
	if err != nil {
		return err
	}
	for _, j := range active {
		if j := l.find(j.ID, j.RunID); j != nil && !otherwise(l, j) {
			l.cancel(j)
		}
	}
	return l.close(ctx)
}
