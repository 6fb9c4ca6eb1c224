package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/worker/intake"
)

// Config describes a Worker. Bus is required.
type Config struct {
	// ID names the worker in announcements and reports; default host name and a
	// random part.
	ID string
	// Slots is how many tasks run at once, over all handlers; default 16.
	Slots int
	// Queries is how many queries are held at once, over all handlers; default 256. One
	// more is refused at once.
	Queries int
	// Bus must outlive Run.
	Bus *natsx.Bus
	// Handlers are served from the beginning; see Serve.
	Handlers []Handler
	// Folder describes the models folder for announcements; nil where there is none.
	Folder func() *jobspec.Folder
	// AckWait is how long the server waits for a sign of life before it gives a
	// task to another worker; default jobspec.AckWait. All workers of one NATS
	// must agree on it.
	AckWait time.Duration
	// Grace is how long running tasks may go on after the worker was told to
	// stop; default 5 seconds. Afterwards they are handed back.
	Grace time.Duration
	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

// Stats counts what a Worker did since it was made.
type Stats struct {
	// Running is how many tasks run at this moment.
	Running int
	Done, Failed, Cancelled,
	// GivenBack counts messages returned for another worker, Redelivered those
	// that had been handed out before.
	GivenBack, Redelivered int64
	// Answered counts queries that were answered, Refused those that there was no room
	// for, Late those whose time was up first.
	Answered, Refused, Late int64
}

// Worker is one process's share of the work. Make it with New.
type Worker struct {
	Config
	intake *intake.Intake
	runs   *registry
	flags  *flags
	// turn is held by the one task under suspicion that runs.
	turn chan struct{}
	// room is held by the queries under way.
	room chan struct{}

	mu sync.Mutex
	// served are in the order in which they came; now is nil while Run does not run.
	served []*served
	now    *running

	tasks sync.WaitGroup
	beats sync.WaitGroup

	done, failed, cancelled, givenBack, redelivered atomic.Int64
	answered, refused, late                         atomic.Int64
}

// Reasons for which a task's context ends.
var (
	errCancelled  = errors.New("the run was cancelled")
	errSuperseded = errors.New("a newer attempt at the run has begun")
	errStopping   = errors.New("the worker stops")
	errDeadline   = errors.New("the deadline has passed")
)

// deafness is how long a task may ignore the end of its context when the worker
// stops, before its message is handed back over its head.
const deafness = 2 * time.Second

// New checks the configuration. Nothing happens on NATS before Run.
func New(c Config) (*Worker, error) {
	if c.Bus == nil {
		return nil, errors.New("worker: no bus")
	}
	if c.ID == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "worker"
		}
		c.ID = jobspec.Token(host) + "-" + nuid.Next()[14:]
	}
	if c.Slots <= 0 {
		c.Slots = 16
	}
	if c.Queries <= 0 {
		c.Queries = 256
	}
	if c.AckWait <= 0 {
		c.AckWait = jobspec.AckWait
	}
	if c.Grace <= 0 {
		c.Grace = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = c.Logger.With("worker", c.ID)
	w := &Worker{Config: c, runs: newRegistry(), flags: newFlags(), turn: make(chan struct{}, 1), room: make(chan struct{}, c.Queries)}
	for _, h := range c.Handlers {
		if err := w.Serve(h); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Stats gives the counters.
func (w *Worker) Stats() Stats {
	return Stats{
		Running: w.runs.size(), Done: w.done.Load(), Failed: w.failed.Load(), Cancelled: w.cancelled.Load(),
		GivenBack: w.givenBack.Load(), Redelivered: w.redelivered.Load(),
		Answered: w.answered.Load(), Refused: w.refused.Load(), Late: w.late.Load(),
	}
}

// Run works until ctx ends. Then it takes nothing new, gives running tasks and queries
// their Grace, hands back what is left, and returns nil. It returns an error when NATS
// can't be subscribed to at the start or when a handler's own service ends. It
// may be called again afterwards, not twice at once.
func (w *Worker) Run(ctx context.Context) error {
	// Tasks outlive ctx, whose end begins the orderly stop, and the helpers
	// outlive the tasks.
	work, endWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endWork(errStopping)
	helpers, endHelpers := context.WithCancel(context.WithoutCancel(ctx))
	var helping sync.WaitGroup
	defer helping.Wait()
	defer endHelpers()

	w.intake = intake.New(intake.Config{Bus: w.Bus, Slots: w.Slots, AckWait: w.AckWait, Logger: w.Logger, Refuse: w.giveBack})
	unsubscribe, err := w.subscribe()
	if err != nil {
		return err
	}
	defer unsubscribe()
	defer w.Bus.Reconnects(w.intake.Reconnected)()

	now := &running{work: work, helpers: helpers, helping: &helping, broken: make(chan error, 1)}
	w.begin(now)
	helping.Go(func() { _ = w.intake.Run(helpers) })
	helping.Go(func() { w.announce(helpers) })
	helping.Go(func() { _ = w.Bus.WatchFlags(helpers, w.flagged) })

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-now.broken:
	}
	w.end()
	w.stop(endWork)
	return failure
}

// subscribe listens for cancellations and for requests to announce.
func (w *Worker) subscribe() (unsubscribe func(), err error) {
	cancels, err := w.Bus.Conn().Subscribe(jobspec.SubjectCancelAll, w.flagMessage)
	if err != nil {
		return nil, fmt.Errorf("worker: subscribe to cancellations: %w", err)
	}
	asks, err := w.Bus.Conn().Subscribe(jobspec.SubjectAnnouncePlease, func(m *nats.Msg) { w.announceNow(m) })
	if err != nil {
		_ = cancels.Unsubscribe()
		return nil, fmt.Errorf("worker: subscribe to requests: %w", err)
	}
	return func() {
		_ = cancels.Unsubscribe()
		_ = asks.Unsubscribe()
	}, nil
}

// stop ends the intake, then the tasks: first by waiting, then by their
// contexts, last over their heads.
func (w *Worker) stop(endWork context.CancelCauseFunc) {
	w.intake.Stop()
	idle := make(chan struct{})
	go func() {
		w.tasks.Wait()
		close(idle)
	}()
	wait := func(d time.Duration) bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-idle:
			return true
		case <-t.C:
			return false
		}
	}
	quiet := wait(w.Grace)
	endWork(errStopping)
	if !quiet && !wait(deafness) {
		for _, t := range w.runs.all() {
			w.Logger.Warn("a task does not stop, its message is handed back", "run", t.job.Run, "attempt", t.job.Attempt)
			t.abandon()
		}
	}
	w.beats.Wait()
	w.Bus.Flush()
}
