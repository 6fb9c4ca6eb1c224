package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// A task is under suspicion when a worker before this one did not live to say how it
// ended. Such tasks run one at a time, so that of several only the one that is to blame
// takes the worker down, and who begins one says so first, where the next worker finds it.

// isKnown tells whether somebody may have had the run before.
func (t *task) isKnown() bool { return t.again || t.job.Lost > 0 }

// goOn does the work of a run that somebody may have had before: at once where they
// gave it back, in its turn where they were lost, not at all where too many were.
func (t *task) goOn(do func() bool) (reported bool) {
	w := t.worker
	custody, err := t.custody()
	if err != nil {
		return t.end(nil, err)
	}
	lost := t.lost(custody)
	if lost >= jobspec.MaxLost {
		err := &Error{Code: jobspec.CodeWorkerLost, Message: fmt.Sprintf("It took down %d workers.", lost)}
		return t.closeCustody(t.end(nil, err))
	}
	if t.alone = lost > 0; t.alone {
		select {
		case w.turn <- struct{}{}:
			defer func() { <-w.turn }()
		case <-t.ctx.Done():
			return t.end(nil, context.Cause(t.ctx))
		}
	}
	custody.Workers = append(custody.Workers, w.ID)
	if err := t.persist(func(ctx context.Context) error { return w.Bus.PutCustody(ctx, t.job.Run, custody) }); err != nil {
		return t.end(nil, err)
	}
	t.mu.Lock()
	t.held = &custody
	t.mu.Unlock()
	return t.closeCustody(do())
}

// closeCustody forgets who had a run when nobody will have it any more.
func (t *task) closeCustody(reported bool) bool {
	if reported || errors.Is(context.Cause(t.ctx), errCancelled) {
		w := t.worker
		w.say(t.ctx, t.job.Run, func(ctx context.Context) error { return w.Bus.DropCustody(ctx, t.job.Run) })
	}
	return reported
}

// lost is how many workers the run took down: one for each earlier attempt that was lost,
// those that began this one under suspicion, and the first one to be handed it, which said
// nothing unless it was warned.
func (t *task) lost(c jobspec.Custody) int {
	lost := t.job.Lost + len(c.Workers)
	if t.again && t.job.Lost == 0 && !c.Returned {
		lost++
	}
	return lost
}

// custody reads who had the attempt.
func (t *task) custody() (c jobspec.Custody, err error) {
	err = t.persist(func(ctx context.Context) error {
		c, err = t.worker.Bus.Custody(ctx, t.job.Run)
		return err
	})
	if c.Attempt != t.job.Attempt {
		// Those of an earlier one may live: if not, it was lost and is counted so.
		c = jobspec.Custody{Attempt: t.job.Attempt}
	}
	return c, err
}

// persist calls what must not fail until it does not, or the task is to end.
func (t *task) persist(call func(ctx context.Context) error) error {
	pause := natsx.Backoff{First: 50 * time.Millisecond, Most: 5 * time.Second}
	for {
		ctx, end := context.WithTimeout(t.ctx, recordLimit)
		err := call(ctx)
		end()
		if err == nil {
			return nil
		}
		if t.ctx.Err() != nil {
			return context.Cause(t.ctx)
		}
		t.worker.Logger.Warn("who had a run is not known, trying again", "run", t.job.Run, "error", err)
		pause.Wait(t.ctx)
	}
}

// returned says, before a message is handed back, that this worker lived. held is what it
// said when it began, nil for nothing.
func (w *Worker) returned(ctx context.Context, job jobspec.Job, d natsx.Delivery, held *jobspec.Custody) {
	c := jobspec.Custody{Attempt: job.Attempt, Returned: true}
	switch {
	case held != nil:
		c = *held
		c.Workers = slices.DeleteFunc(slices.Clone(c.Workers), func(id string) bool { return id == w.ID })
	case d.Delivered > 1:
		return
	}
	w.say(ctx, job.Run, func(ctx context.Context) error { return w.Bus.PutCustody(ctx, job.Run, c) })
}

// say calls what is better known, but nothing depends on.
func (w *Worker) say(ctx context.Context, run string, call func(ctx context.Context) error) {
	if w.Bus.Ready() != nil {
		return
	}
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer end()
	if err := call(ctx); err != nil {
		w.Logger.Debug("who has a run was not said", "run", run, "error", err)
	}
}
