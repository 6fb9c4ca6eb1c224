package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
)

// Answerer is a Handler that answers queries besides its tasks: short questions for
// which somebody waits, asked by request and reply past the queue, so that no task is in
// front of them.
type Answerer interface {
	Handler
	// QuerySubject is where the queries are asked; it never changes. Of all workers that
	// listen there one gets each query.
	QuerySubject() string
	// Answer gives the kind's own answer as JSON. It is called from many goroutines at
	// once, up to Config.Queries, and stops when ctx ends. Errors are as those of Handle.
	Answer(ctx context.Context, query json.RawMessage) (json.RawMessage, error)
}

// mostWithin bounds how long a query may want to wait.
const mostWithin = 30 * time.Second

// desk is where the queries of one Answerer come in.
type desk struct {
	worker   *Worker
	answerer Answerer
	// work is the context of the answers, tasks those under way.
	work         context.Context //nolint:containedctx // Run is the scope that it describes
	tasks        *sync.WaitGroup
	subscription *nats.Subscription
	drained      chan struct{}

	mu     sync.Mutex
	closed bool
}

// openDesk begins to take queries.
func (w *Worker) openDesk(work context.Context, a Answerer, tasks *sync.WaitGroup) (*desk, error) {
	d := &desk{worker: w, answerer: a, work: work, tasks: tasks, drained: make(chan struct{})}
	subject := a.QuerySubject()
	s, err := w.Bus.Conn().QueueSubscribe(subject, jobspec.QueryGroup, d.take)
	if err != nil {
		return nil, fmt.Errorf("worker: subscribe to the queries of %s: %w", a.Bundle().Name, err)
	}
	s.SetClosedHandler(func(string) { close(d.drained) })
	d.subscription = s
	return d, nil
}

// close takes no more queries: the server hands this worker none from then on, and what
// it had handed out is still taken. Answers under way go on.
func (d *desk) close() {
	if d == nil {
		return
	}
	if err := d.subscription.Drain(); err == nil {
		t := time.NewTimer(drainLimit)
		defer t.Stop()
		select {
		case <-d.drained:
		case <-t.C:
		}
	} else {
		_ = d.subscription.Unsubscribe()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// drainLimit is how long a worker that stops waits for queries that were on their way.
const drainLimit = 2 * time.Second

// take answers a query in a goroutine of its own, or at once where there is no room.
func (d *desk) take(m *nats.Msg) {
	w, arrived := d.worker, time.Now()
	select {
	case w.room <- struct{}{}:
	default:
		w.refused.Add(1)
		d.respond(m, jobspec.Answer{Failure: &jobspec.Failure{Code: jobspec.CodeOverloaded, Message: "The worker has too many queries."}})
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		<-w.room
		return
	}
	d.tasks.Add(1)
	w.tasks.Go(func() {
		defer d.tasks.Done()
		defer func() { <-w.room }()
		d.answer(m, arrived)
	})
}

// answer answers a query, unless nobody waits for it any more.
func (d *desk) answer(m *nats.Msg, arrived time.Time) {
	w := d.worker
	var q jobspec.Query
	if err := json.Unmarshal(m.Data, &q); err != nil || q.Within <= 0 {
		d.respond(m, jobspec.Answer{Failure: &jobspec.Failure{Code: jobspec.CodeInvalidInput, Message: "The query can't be read."}})
		return
	}
	within := min(time.Duration(min(q.Within, mostWithin.Milliseconds()))*time.Millisecond, mostWithin)
	ctx, end := context.WithDeadline(d.work, arrived.Add(within))
	defer end()
	out, err := guarded(func() (json.RawMessage, error) { return d.answerer.Answer(ctx, q.Payload) })
	var p *panicError
	if errors.As(err, &p) {
		w.Logger.Error("a handler panicked at a query", "model", d.answerer.Bundle().Name, "error", err, "stack", string(p.stack))
	}
	if ctx.Err() != nil {
		w.late.Add(1)
		return
	}
	if err != nil {
		f := failureOf(err)
		w.Logger.Debug("a query failed", "model", d.answerer.Bundle().Name, "code", f.Code, "error", causes(err))
		d.respond(m, jobspec.Answer{Failure: &f})
		return
	}
	w.answered.Add(1)
	d.respond(m, jobspec.Answer{Payload: out})
}

func (d *desk) respond(m *nats.Msg, a jobspec.Answer) {
	data, err := json.Marshal(a)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil && !errors.Is(err, nats.ErrMsgNoReply) {
		d.worker.Logger.Warn("a query was not answered", "subject", m.Subject, "error", err)
	}
}
