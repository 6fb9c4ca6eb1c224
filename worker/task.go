package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// task is one attempt while it is here.
type task struct {
	worker  *Worker
	job     jobspec.Job
	ctx     context.Context //nolint:containedctx // the task is the scope that the context describes
	cancel  context.CancelCauseFunc
	started time.Time
	// again tells that the message was handed out before, alone that its worker then was
	// lost.
	again, alone bool
	// keeps tells that something may be kept for another attempt.
	keeps bool
	// stopped is closed once the result is to be what there is so far.
	stopped  chan struct{}
	stopOnce sync.Once

	mu       sync.Mutex
	beat     *time.Timer
	delivery natsx.Delivery
	// held is what was said of the attempt's custody, nil for nothing.
	held *jobspec.Custody
	// over: nothing may be said about the attempt any more.
	over bool
}

// process leads one message, which is about a job of kind for h, from its delivery
// to its acknowledgement.
func (w *Worker) process(ctx context.Context, h Handler, kind string, d natsx.Delivery) {
	defer w.intake.Done()
	job, err := parseJob(d.Data, kind)
	if err != nil {
		w.Logger.Error("a message on JOBS is no job, refused", "subject", d.Subject, "error", err)
		_ = d.Term("not a job: " + err.Error())
		return
	}
	if d.Delivered > 1 {
		w.redelivered.Add(1)
	}
	t := &task{worker: w, job: job, delivery: d, started: time.Now().UTC(), again: d.Delivered > 1, stopped: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	defer t.cancel(nil)
	switch w.runs.admit(t) {
	case joined:
		return
	case outdated:
		_ = d.Ack()
		return
	}
	t.mu.Lock()
	t.beat = time.AfterFunc(w.AckWait/3, func() { t.later(t.heartbeat) })
	t.mu.Unlock()
	defer t.beat.Stop()
	do := func() bool { return t.perform(h) }
	if t.isKnown() {
		w.runs.remove(t, t.goOn(do))
		return
	}
	w.runs.remove(t, do())
}

// perform does the work and reports; it returns whether RESULTS knows the end.
func (t *task) perform(h Handler) (reported bool) {
	w := t.worker
	t.obey(w.flagBefore(t.ctx, t.job.Run))
	ctx := t.ctx
	if !t.job.Deadline.IsZero() {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, t.job.Deadline, errDeadline)
		defer stop()
	}
	if context.Cause(ctx) != nil {
		return t.end(nil, context.Cause(ctx))
	}
	if err := w.Bus.SendResult(t.result(jobspec.ResultStarted)); err != nil {
		w.Logger.Debug("the start was not reported", "run", t.job.Run, "error", err)
	}
	p := &progress{task: t}
	recorded := t.recorded()
	output, err := handle(ctx, h, Task{
		Run: t.job.Run, Attempt: t.job.Attempt, Kind: t.job.Kind, Payload: t.job.Payload, Alone: t.alone,
		Recorded: recorded, Keep: p.keep, Show: p.show, Stopped: t.stopped,
	}, p.update)
	p.close()
	t.keeps = p.stored || recorded != nil
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return t.end(output, err)
}

// handle calls the handler and makes an error of a panic.
func handle(ctx context.Context, h Handler, t Task, progress func(float64, string)) (output json.RawMessage, err error) {
	return guarded(func() (json.RawMessage, error) { return h.Handle(ctx, t, progress) })
}

// guarded calls what a handler does, and makes an error of a panic and of an output that
// is no JSON.
func guarded(do func() (json.RawMessage, error)) (output json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			output, err = nil, &panicError{value: p, stack: debug.Stack()}
		}
	}()
	output, err = do()
	if err == nil && !json.Valid(output) {
		return nil, errors.New("the handler's output is no JSON")
	}
	return output, err
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// end says what became of the attempt: to RESULTS first, then to the queue. It
// returns whether RESULTS knows.
func (t *task) end(output json.RawMessage, err error) (reported bool) {
	w := t.worker
	// Nobody waits for the result of a cancelled run: the database knows already.
	if cause := context.Cause(t.ctx); errors.Is(cause, errCancelled) || errors.Is(cause, errSuperseded) {
		w.cancelled.Add(1)
		t.settle(natsx.Delivery.Ack)
		if t.keeps && errors.Is(cause, errCancelled) {
			t.forget()
		}
		return false
	}
	if errors.Is(err, errStopping) {
		w.givenBack.Add(1)
		t.handBack()
		return false
	}
	r := t.result(jobspec.ResultDone)
	r.Payload = output
	if err != nil {
		r = t.failure(err)
	}
	typ, stored := t.report(r)
	if !stored {
		t.handBack()
		return false
	}
	if typ == jobspec.ResultDone {
		w.done.Add(1)
	} else {
		w.failed.Add(1)
	}
	// One that gets lost costs a second run at most, which the recorder drops.
	t.settle(natsx.Delivery.Ack)
	if t.keeps && (r.Failure == nil || r.Failure.Code.Final()) {
		t.forget()
	}
	return true
}

// failure makes the report of an attempt that failed, and tells the log what the
// owner does not get to read.
func (t *task) failure(err error) jobspec.Result {
	r := t.result(jobspec.ResultFailed)
	f := failureOf(err)
	if errors.Is(err, errDeadline) {
		f = jobspec.Failure{Code: jobspec.CodeDeadline, Message: "The deadline passed before the work was done."}
	}
	r.Failure = &f
	log := t.worker.Logger.With("run", t.job.Run, "attempt", t.job.Attempt, "code", f.Code, "error", causes(err))
	var p *panicError
	switch {
	case errors.As(err, &p):
		log.Error("a handler panicked", "stack", string(p.stack))
	case f.Code.Final():
		log.Info("attempt failed")
	default:
		log.Warn("attempt failed")
	}
	return r
}

// causes gives an error's words with those that an Error keeps from the owner.
func causes(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Cause != nil {
		return err.Error() + " (" + e.Cause.Error() + ")"
	}
	return err.Error()
}

func (t *task) result(typ jobspec.ResultType) jobspec.Result {
	return jobspec.Result{
		Run: t.job.Run, Attempt: t.job.Attempt, Kind: t.job.Kind, Type: typ,
		Worker: t.worker.ID, StartedAt: t.started, At: time.Now().UTC(),
	}
}

// settle answers the message, once.
func (t *task) settle(answer func(natsx.Delivery) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.over = true
	if err := answer(t.delivery); err != nil {
		t.worker.Logger.Warn("a message was not answered, it comes again", "run", t.job.Run, "error", err)
	}
}

// abandon hands the message back while the handler still runs; what the handler
// says later goes nowhere.
func (t *task) abandon() {
	t.worker.givenBack.Add(1)
	t.handBack()
}

// handBack gives the message to another worker.
func (t *task) handBack() {
	t.settle(func(d natsx.Delivery) error {
		t.worker.returned(t.ctx, t.job, d, t.held)
		return d.Nak(0)
	})
}

// adopt goes on under a later delivery of the same message.
func (t *task) adopt(d natsx.Delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delivery = d
}

func (t *task) isOver() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

// giveBack returns a message that has no slot.
func (w *Worker) giveBack(d natsx.Delivery) {
	w.givenBack.Add(1)
	var job jobspec.Job
	if json.Unmarshal(d.Data, &job) == nil {
		w.returned(context.Background(), job, d, nil)
	}
	_ = d.Nak(0)
}

func parseJob(data []byte, kind string) (jobspec.Job, error) {
	var j jobspec.Job
	if err := json.Unmarshal(data, &j); err != nil {
		return j, err
	}
	if j.Run == "" || j.Attempt < 1 || j.Kind != kind {
		return j, fmt.Errorf("run %q, attempt %d, kind %q", j.Run, j.Attempt, j.Kind)
	}
	return j, nil
}
