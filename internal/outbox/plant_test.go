package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
	"parley/worker"
)

// patience is how long a test waits for a signal before it fails.
const patience = 30 * time.Second

const owner = "user_a"

// directions are what the tests' workers can do.
var directions = []jobspec.Direction{{Source: "en", Target: "es"}, {Source: "en", Target: "fr"}, {Source: "en", Target: "de"}}

// plant is one API process: services, relay and recorder on a database and a
// broker, both real.
type plant struct {
	t       testing.TB
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
	outbox  *dispatch.Outbox
	notes   *note.Service
	bus     *natsx.Bus
	// broker is the server that bus leads to, where the test has one in its
	// process.
	broker *natsx.Embedded
	waker  *outbox.Waker
	relay  *outbox.Relay
	// events are the batches that the relay published since the plant was made,
	// and rounds what it said behind them.
	events chan event.Batch
	rounds chan event.Round
}

func embedded(t testing.TB) *natsx.Embedded {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func connect(t testing.TB, e *natsx.Embedded) *natsx.Bus {
	t.Helper()
	b, err := e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	require.NoError(t, b.EnsureStreams(t.Context()))
	return b
}

// quick makes the engine impatient, so that tests need not wait for it.
func quick() job.Config {
	return job.Config{MaxAttempts: 4, RetryBase: time.Millisecond, Lost: 300 * time.Millisecond}
}

func newPlant(t testing.TB, s *store.Store, bus *natsx.Bus, cfg job.Config) *plant {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	p := &plant{t: t, store: s, log: log, bus: bus, waker: outbox.NewWaker(bus), events: make(chan event.Batch, 10_000), rounds: make(chan event.Round, 10_000)}
	log.OnCommit(p.waker.Wake)
	p.workers = directory.New(s)
	p.jobs = job.New(s, log, p.workers, cfg)
	p.outbox = dispatch.New(s, log, p.jobs, p.workers)
	p.notes = note.New(s, log, p.jobs, p.workers, nil)
	for _, k := range p.notes.Domain().Kinds {
		p.jobs.Register(k)
	}
	p.relay = &outbox.Relay{
		Store: s, Log: log, Jobs: p.jobs, Outbox: p.outbox, Bus: bus, Waker: p.waker, Invalidate: p.notes.Invalidate,
		Config: outbox.Config{Poll: 20 * time.Millisecond, RescueEvery: 100 * time.Millisecond},
	}
	sub, err := bus.Conn().Subscribe("ev.*", func(m *nats.Msg) {
		var b event.Batch
		var r event.Round
		switch {
		case m.Subject == event.SubjectRounds && json.Unmarshal(m.Data, &r) == nil:
			p.rounds <- r
		case json.Unmarshal(m.Data, &b) == nil:
			p.events <- b
		}
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	require.NoError(t, bus.Conn().Flush())
	return p
}

// onBoth runs a test with a plant on SQLite and on Postgres and an embedded
// NATS. Nothing runs yet.
func onBoth(t *testing.T, cfg job.Config, test func(t *testing.T, p *plant)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		broker := embedded(t)
		p := newPlant(t, s, connect(t, broker), cfg)
		p.broker = broker
		test(t, p)
	})
}

// background runs f until stop or the test's end, and fails the test when f
// returns an error.
func background(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			assert.NoError(t, err, "it")
		case <-time.After(patience):
			t.Error("it does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

func (p *plant) runRelay() (stop func()) { return background(p.t, p.relay.Run) }

func (p *plant) runRecorder() (stop func()) {
	return background(p.t, (&outbox.Recorder{Jobs: p.jobs, Workers: p.workers, Outbox: p.outbox, Bus: p.bus}).Run)
}

func (p *plant) run() {
	p.runRecorder()
	p.runRelay()
}

// works starts a worker with a connection of its own.
func (p *plant) works(bus *natsx.Bus, h worker.Handler) (stop func()) {
	p.t.Helper()
	w, err := worker.New(worker.Config{Bus: bus, Handlers: []worker.Handler{h}, AckWait: 600 * time.Millisecond, Grace: 100 * time.Millisecond})
	require.NoError(p.t, err)
	return background(p.t, w.Run)
}

func (p *plant) noop() worker.Handler { return worker.NewNoop("pool", directions) }

func as(t testing.TB, user string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: user, Role: auth.RoleUser})
}

func system(t testing.TB) context.Context { return auth.System(t.Context(), "test") }

func (p *plant) note(text string) *gen.Note {
	p.t.Helper()
	lang := "en"
	w, err := p.notes.Create(as(p.t, owner), note.CreateNoteInput{Title: "t", Text: text, Language: &lang})
	require.NoError(p.t, err)
	return w.Note
}

// ask makes a note and asks for its translations.
func (p *plant) ask(text string, languages ...string) []*gen.Job {
	p.t.Helper()
	jobs, _, err := p.notes.Translate(as(p.t, owner), note.TranslateNoteInput{NoteID: p.note(text).ID, Languages: languages})
	require.NoError(p.t, err)
	return jobs
}

func (p *plant) look(j *gen.Job) *gen.Job {
	p.t.Helper()
	now, err := p.jobs.Get(as(p.t, owner), j.ID)
	require.NoError(p.t, err)
	return now
}

// until waits until the job's state is one of those; changes come as events.
func (p *plant) until(j *gen.Job, states ...job.State) *gen.Job {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		now := p.look(j)
		for _, s := range states {
			if now.State == s {
				return now
			}
		}
		select {
		case <-p.events:
		case <-time.After(100 * time.Millisecond): // the event may have come before
		case <-deadline:
			p.t.Fatalf("job %s is %s, not %v: %v", now.ID, now.State, states, p.tries(now))
		}
	}
}

func (p *plant) tries(j *gen.Job) []string {
	j = p.look(j)
	tries, err := p.jobs.AttemptsOf(as(p.t, owner), []*gen.Job{j})
	require.NoError(p.t, err)
	var said []string
	for _, t := range tries[j.ID] {
		reason := ""
		if t.Reason != nil {
			reason = " " + *t.Reason
		}
		said = append(said, fmt.Sprintf("%d %s%s", t.Number, t.Outcome, reason))
	}
	return said
}

func (p *plant) text(j *gen.Job) string {
	p.t.Helper()
	tr, err := p.notes.Translation(as(p.t, owner), j.SubjectID)
	require.NoError(p.t, err)
	if tr.Text == nil {
		return ""
	}
	return *tr.Text
}

// queued tells whether JOBS holds a message of the job's run.
func (p *plant) queued(j *gen.Job) bool {
	p.t.Helper()
	held, err := p.bus.QueuedRun(p.t.Context(), jobspec.JobRunFilter(p.look(j).RunID))
	require.NoError(p.t, err)
	return held
}

// eventually waits for what no signal tells of: what the broker holds, what another
// process has written, and which workers the recorder has heard of.
func (p *plant) eventually(what string, is func() bool) {
	p.t.Helper()
	require.Eventually(p.t, is, patience, 5*time.Millisecond, what)
}

// scripted is a Handler that does what its test says.
type scripted struct {
	worker.Handler
	do func(ctx context.Context, t worker.Task, report func(float64, string)) error
}

func (s *scripted) Handle(ctx context.Context, t worker.Task, report func(float64, string)) (json.RawMessage, error) {
	if err := s.do(ctx, t, report); err != nil {
		return nil, err
	}
	return s.Handler.Handle(ctx, t, report)
}

func (p *plant) scripted(do func(ctx context.Context, t worker.Task, report func(float64, string)) error) worker.Handler {
	return &scripted{p.noop(), do}
}

func notFound(err error) bool { return apperr.Is(err, apperr.NotFound) }
