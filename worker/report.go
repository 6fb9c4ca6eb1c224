package worker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// report stores the attempt's end on RESULTS and returns as what, and whether it
// is there: a result that is too large for NATS becomes a failure. It tries until it works, the run is cancelled, or the worker has no time left to
// stop; meanwhile the task keeps its slot and its message.
func (t *task) report(r jobspec.Result) (as jobspec.ResultType, stored bool) {
	w := t.worker
	ctx, end := lingering(t.ctx, deafness/2)
	defer end()
	pause := natsx.Backoff{First: 50 * time.Millisecond, Most: 5 * time.Second}
	for !t.isOver() {
		err := w.Bus.PublishResult(ctx, r)
		if err == nil {
			return r.Type, true
		}
		if errors.Is(err, nats.ErrMaxPayload) && r.Type == jobspec.ResultDone {
			r = t.failure(err)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		w.Logger.Warn("a result was not stored, trying again", "run", r.Run, "attempt", r.Attempt, "error", err)
		pause.Wait(ctx)
	}
	return r.Type, false
}

// lingering is a context that outlives ctx by d.
func lingering(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		end()
	}
}

// later runs f in a goroutine of its own, unless the attempt is over.
func (t *task) later(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.worker.beats.Go(f)
	}
}

// heartbeat gives the queue and the recorder a sign of life, whatever the work
// is doing, and looks whether the run is still wanted.
func (t *task) heartbeat() {
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.beat.Reset(t.worker.AckWait / 3)
	err := t.delivery.InProgress()
	if err == nil {
		err = t.worker.Bus.SendResult(t.result(jobspec.ResultHeartbeat))
	}
	t.mu.Unlock()
	if err != nil {
		t.worker.Logger.Warn("a heartbeat was not sent", "run", t.job.Run, "error", err)
	}
	t.checkFlag()
}

// checkFlag reads the run's flag and does what it says.
func (t *task) checkFlag() {
	ctx, end := context.WithTimeout(t.ctx, t.worker.AckWait/3)
	defer end()
	flag, err := t.worker.Bus.RunFlag(ctx, t.job.Run)
	if err != nil {
		if t.ctx.Err() == nil {
			t.worker.Logger.Warn("the flag of a run can't be read", "run", t.job.Run, "error", err)
		}
		return
	}
	t.obey(flag)
}
