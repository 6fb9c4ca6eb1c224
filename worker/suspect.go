package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
		reported = t.end(nil, err)
		t.release(custody, reported)
		return reported
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
	reported = do()
	t.release(custody, reported)
	return reported
}

// lost is how many workers the run took down: those of earlier attempts, those that began
// this one under suspicion, and the first one to be handed it, which said nothing.
func (t *task) lost(c jobspec.Custody) int {
	lost := t.job.Lost + len(c.Workers)
	if t.again && t.job.Lost == 0 && !c.Returned {
		lost++
	}
	return lost
}

// custody reads who had the run.
func (t *task) custody() (c jobspec.Custody, err error) {
	err = t.persist(func(ctx context.Context) error {
		c, err = t.worker.Bus.Custody(ctx, t.job.Run)
		return err
	})
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

// release says that this worker lived: with the run's end nothing is left to say, otherwise
// another may have it.
func (t *task) release(c jobspec.Custody, ended bool) {
	c.Workers = slices.DeleteFunc(c.Workers, func(id string) bool { return id == t.worker.ID })
	t.worker.say(t.ctx, t.job.Run, func(ctx context.Context) error {
		if ended {
			return t.worker.Bus.DropCustody(ctx, t.job.Run)
		}
		return t.worker.Bus.PutCustody(ctx, t.job.Run, c)
	})
}

// returned says, before a message is handed back, that its first worker lived.
func (w *Worker) returned(ctx context.Context, d natsx.Delivery) {
	if d.Delivered > 1 {
		return
	}
	run := d.Subject[strings.LastIndexByte(d.Subject, '.')+1:]
	w.say(ctx, run, func(ctx context.Context) error {
		return w.Bus.PutCustody(ctx, run, jobspec.Custody{Returned: true})
	})
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
