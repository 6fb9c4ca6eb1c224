package live_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/feed"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/live"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/resume"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// patience is how long a test waits for a signal before it fails.
const patience = 30 * time.Second

const owner = "user_a"

// house is an API process without a worker: the tests say what workers report.
type house struct {
	t       testing.TB
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	notes   *note.Service
	feed    *feed.Service
	bus     *natsx.Bus
	workers *directory.Directory
	outbox  *dispatch.Outbox
	relay   *outbox.Relay
	hub     *live.Hub
	book    *resume.Book
	streams *live.Streams
}

func newHouse(t testing.TB, s *store.Store, bus *natsx.Bus) *house {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	h := &house{t: t, store: s, log: log, bus: bus}
	waker := outbox.NewWaker(bus)
	log.OnCommit(waker.Wake)
	h.workers = directory.New(s)
	h.jobs = job.New(s, log, h.workers, job.Config{MaxAttempts: 3, RetryBase: time.Millisecond})
	h.outbox = dispatch.New(s, log, h.jobs, h.workers)
	h.notes = note.New(s, log, h.jobs, h.workers, nil)
	h.feed = feed.New(s, log, nil, feed.Config{Timeline: 100, Fanout: 100})
	domains := announced(t, h.jobs, h.notes.Domain(), h.feed.Domain(), dialog.New(s, log, audit.New(s, 0, nil), dialog.Config{}).Domain())
	h.relay = &outbox.Relay{
		Store: s, Log: log, Jobs: h.jobs, Outbox: h.outbox, Bus: bus, Waker: waker, Invalidate: domains.Invalidate,
		Config: outbox.Config{Poll: 10 * time.Millisecond, RescueEvery: time.Hour},
	}
	h.hub, err = live.NewHub(log, bus, domains)
	require.NoError(t, err)
	h.hub.CheckEvery(time.Hour)
	h.book = resume.NewBook(s, log, resume.Config{})
	h.streams, err = live.NewStreams(live.Config{Hub: h.hub, Log: log, Book: h.book, Jobs: h.jobs, Domains: domains})
	require.NoError(t, err)
	return h
}

// announced joins what jobs and domains announce, as app does.
func announced(t testing.TB, jobs *job.Service, domains ...domain.Domain) *domain.Set {
	t.Helper()
	set, err := domain.NewSet(append(domains, domain.Jobs(jobs))...)
	require.NoError(t, err)
	for _, k := range set.Kinds() {
		jobs.Register(k)
	}
	return set
}

// The objects that events came with, nil for none.
func noteOf(e *live.Event) *gen.Note               { n, _ := e.Loaded.(*gen.Note); return n }
func jobOf(e *live.Event) *gen.Job                 { j, _ := e.Loaded.(*gen.Job); return j }
func translationOf(e *live.Event) *gen.Translation { t, _ := e.Loaded.(*gen.Translation); return t }

func embedded(t testing.TB) *natsx.Bus {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	b, err := e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	require.NoError(t, b.EnsureStreams(t.Context()))
	return b
}

// onBoth runs a test on SQLite and on Postgres; nothing runs yet.
func onBoth(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newHouse(t, s, embedded(t))) })
}

// background runs f until stop or the test's end.
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

// run starts hub and relay.
func (h *house) run() {
	h.runHub()
	background(h.t, h.relay.Run)
}

func (h *house) runHub() (stop func()) { return background(h.t, h.hub.Run) }

// position gives events their positions without a relay.
func (h *house) position() int64 {
	h.t.Helper()
	_, err := h.log.Position(h.t.Context(), 100_000)
	require.NoError(h.t, err)
	head, err := h.log.Head(h.t.Context())
	require.NoError(h.t, err)
	return head
}

// read gives all events behind a position.
func (h *house) read(after int64) []event.Event {
	h.t.Helper()
	h.position()
	all, err := h.log.Read(h.t.Context(), event.Filter{After: after, Limit: 100_000})
	require.NoError(h.t, err)
	return all
}

// publish does as a relay whose round follows that position.
func (h *house) publish(previous int64, events ...event.Event) {
	h.t.Helper()
	h.publishBatches(h.log.Epoch(), events...)
	h.endRound(h.log.Epoch(), previous, events...)
}

func (h *house) publishBatches(epoch string, events ...event.Event) {
	h.t.Helper()
	for _, e := range events {
		shard := event.ShardOf(e.Audience)
		h.send(event.ShardSubject(shard), event.Batch{Epoch: epoch, Shard: shard, Events: []event.Event{e}})
	}
}

// endRound says that the events were all since that position.
func (h *house) endRound(epoch string, previous int64, events ...event.Event) {
	h.t.Helper()
	r := event.Round{Epoch: epoch, Previous: previous, Position: previous, Counts: map[int]int{}}
	for _, e := range events {
		r.Position = max(r.Position, e.Position)
		r.Counts[event.ShardOf(e.Audience)]++
	}
	h.send(event.SubjectRounds, r)
}

func (h *house) send(subject string, message any) {
	h.t.Helper()
	data, err := json.Marshal(message)
	require.NoError(h.t, err)
	require.NoError(h.t, h.bus.Conn().Publish(subject, data))
}

// ready waits until the hub listens. It tells nobody when it does: a process needs
// no such signal, since what comes before is read from the database.
func (h *house) ready() {
	h.t.Helper()
	require.Eventually(h.t, h.hub.Running, patience, 2*time.Millisecond)
}

// watched is a watch that can be waited on.
type watched struct {
	*live.Watch
	C chan struct{}
}

// watch watches what the owner is told about the keys.
func (h *house) watch(keys ...string) watched { return h.watchAs(live.Policy{}, owner, keys...) }

func (h *house) watchAs(p live.Policy, user string, keys ...string) watched {
	h.t.Helper()
	c := make(chan struct{}, 1)
	w := h.hub.Watch(live.Interest{Audiences: []string{event.User(user)}, Keys: keys, Policy: p, Wake: func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}})
	h.t.Cleanup(w.Close)
	return watched{w, c}
}

// takes gives what a watch brings until the loop ends.
func takes(t testing.TB, w watched) func(yield func(live.Taken) bool) {
	return func(yield func(live.Taken) bool) {
		t.Helper()
		for {
			select {
			case <-w.C:
				if !yield(w.Take()) {
					return
				}
			case <-time.After(patience):
				t.Fatal("the watch brings nothing")
			}
		}
	}
}

// hears waits until the hub has the report of a run that brings its text to
// partial, and gives it. w watches the run since before that was sent.
func (h *house) hears(w watched, run, partial string) (p jobspec.Progress) {
	h.t.Helper()
	for taken := range takes(h.t, w) {
		if p, _ = h.hub.Progress(run); taken.Progressed && p.Partial == partial {
			break
		}
	}
	return p
}

func (h *house) progress(run string, attempt int, share float64, partial string) {
	h.t.Helper()
	data, err := json.Marshal(jobspec.Progress{Run: run, Attempt: attempt, Progress: share, Partial: partial})
	require.NoError(h.t, err)
	require.NoError(h.t, h.bus.Conn().PublishMsg(&nats.Msg{Subject: jobspec.ProgressSubject(run), Data: data}))
}

func as(t testing.TB, user string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: user, Role: auth.RoleUser})
}

func asAdmin(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: "user_admin", Role: auth.RoleAdmin})
}

func (h *house) note(text string) *gen.Note { return h.noteOf(owner, text) }

func (h *house) noteOf(user, text string) *gen.Note {
	h.t.Helper()
	lang := "en"
	w, err := h.notes.Create(as(h.t, user), note.CreateNoteInput{Title: "t", Text: text, Language: &lang})
	require.NoError(h.t, err)
	return w.Note
}

func (h *house) translate(n *gen.Note, languages ...string) ([]*gen.Job, event.Cursor) {
	h.t.Helper()
	jobs, cursor, err := h.notes.Translate(as(h.t, n.OwnerID), note.TranslateNoteInput{NoteID: n.ID, Languages: languages})
	require.NoError(h.t, err)
	return jobs, cursor
}

// ask makes a note and asks for one translation.
func (h *house) ask(text string) *gen.Job {
	h.t.Helper()
	jobs, _ := h.translate(h.note(text), "es")
	return jobs[0]
}

func (h *house) runOf(j *gen.Job) *gen.Run {
	h.t.Helper()
	system := auth.System(h.t.Context(), "test")
	now, err := h.jobs.Get(system, j.ID)
	require.NoError(h.t, err)
	r, err := h.store.Client(system).Run.Get(system, now.RunID)
	require.NoError(h.t, err)
	return r
}

// report says what a worker does with the present attempt of the job.
func (h *house) report(j *gen.Job, typ jobspec.ResultType, code jobspec.Code) {
	h.t.Helper()
	r := h.runOf(j)
	res := jobspec.Result{Run: r.ID, Attempt: r.Attempt, Kind: r.Kind, Type: typ, Worker: "w", StartedAt: time.Now(), At: time.Now()}
	if typ == jobspec.ResultDone {
		res.Payload, _ = json.Marshal(jobspec.Translated{Text: "hecho", Model: "m"})
	}
	if code != "" {
		res.Failure = &jobspec.Failure{Code: code, Message: "No."}
	}
	require.NoError(h.t, h.jobs.Record(h.t.Context(), []jobspec.Result{res}))
}

func (h *house) start(j *gen.Job)  { h.report(j, jobspec.ResultStarted, "") }
func (h *house) finish(j *gen.Job) { h.report(j, jobspec.ResultDone, "") }

// next gives the next message of a stream.
func next[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v, open := <-from:
		require.True(t, open, "the stream ended")
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// ends waits for the end of a stream that has nothing more to say.
func ends[T any](t testing.TB, from <-chan T) {
	t.Helper()
	select {
	case v, open := <-from:
		require.False(t, open, "it went on with %+v", v)
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

func notFound(t *testing.T, err error) {
	t.Helper()
	require.True(t, apperr.Is(err, apperr.NotFound), "%v", err)
}
