package job_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const kindToy = "toy"

// toy is a small domain: it remembers what was committed.
type toy struct {
	mu      sync.Mutex
	applied map[string][]job.Outcome
	// gone are subjects that no longer exist, broken those whose rows can't be
	// written, changed those that can't be reopened.
	gone, broken, changed map[string]bool
}

func (d *toy) kind() job.Kind {
	return job.Kind{Name: kindToy, Validate: d.validate, Apply: d.apply, Reopen: d.reopen, Route: d.route}
}

func (d *toy) validate(payload json.RawMessage) error {
	if string(payload) == `"poison"` {
		return errors.New("no result")
	}
	return nil
}

func (d *toy) apply(ctx context.Context, ended []*job.Ended) ([]event.Change, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var changes []event.Change
	for _, e := range ended {
		if d.broken[e.Job.SubjectID] && e.Outcome.State == job.Succeeded {
			return nil, errors.New("this row can't be written")
		}
		if e.Gone = d.gone[e.Job.SubjectID]; e.Gone {
			continue
		}
		id, out := e.Job.ID, e.Outcome
		store.AfterCommit(ctx, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.applied[id] = append(d.applied[id], out)
		})
		changes = append(changes, event.Change{Audience: event.User(e.Job.OwnerID), Topic: "NOTES", Type: "ToyChanged", Object: e.Job.SubjectID})
	}
	return changes, nil
}

func (d *toy) reopen(_ context.Context, j *gen.Job) (json.RawMessage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed[j.SubjectID] {
		return nil, apperr.New(apperr.Conflict, "changed")
	}
	return payloadOf(j.ParentID), nil
}

// route knows bundles by the name that a payload asks for.
func (d *toy) route(payload json.RawMessage, bundles []jobspec.Bundle) string {
	var p struct{ Work string }
	if err := json.Unmarshal(payload, &p); err != nil {
		return ""
	}
	for _, b := range bundles {
		if b.Name == p.Work {
			return b.Pool
		}
	}
	return ""
}

func (d *toy) outcomes(id string) []job.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]job.Outcome(nil), d.applied[id]...)
}

func payloadOf(work string) json.RawMessage {
	data, _ := json.Marshal(map[string]string{"work": work})
	return data
}

// engine is the job engine on one database with the toy domain.
type engine struct {
	*job.Service
	*directory.Directory
	*dispatch.Outbox
	t     *testing.T
	store *store.Store
	log   *event.Log
	toy   *toy
	woken atomic.Int64
}

func newEngine(t *testing.T, s *store.Store, cfg job.Config) *engine {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	e := &engine{t: t, store: s, log: log, toy: &toy{
		applied: map[string][]job.Outcome{}, gone: map[string]bool{}, broken: map[string]bool{}, changed: map[string]bool{},
	}}
	log.OnCommit(func() { e.woken.Add(1) })
	e.Directory = directory.New(s)
	e.Service = job.New(s, log, e.Directory, cfg)
	e.Outbox = dispatch.New(s, log, e.Service, e.Directory)
	e.Register(e.toy.kind())
	return e
}

// onBoth runs a test with an engine of its own on SQLite and on Postgres.
func onBoth(t *testing.T, cfg job.Config, test func(t *testing.T, e *engine)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newEngine(t, s, cfg)) })
}

func (e *engine) as(user string) context.Context {
	return auth.With(e.t.Context(), auth.Viewer{ID: user, Role: auth.RoleUser})
}

func (e *engine) system() context.Context { return auth.System(e.t.Context(), "test") }

// inTx makes the transaction's context the system's.
func (e *engine) inTx(ctx context.Context) context.Context { return auth.System(ctx, "test") }

// ask enqueues one job for the work, in the interactive lane.
func (e *engine) ask(owner, work string) *gen.Job {
	return e.askIn(jobspec.LaneInteractive, owner, work)
}

func (e *engine) askIn(lane jobspec.Lane, owner, work string) *gen.Job {
	e.t.Helper()
	var made []*gen.Job
	require.NoError(e.t, e.store.Tx(e.as(owner), func(ctx context.Context) (err error) {
		made, err = e.Enqueue(ctx, []job.Request{e.request(lane, owner, work)})
		return err
	}))
	return made[0]
}

func (e *engine) request(lane jobspec.Lane, owner, work string) job.Request {
	return job.Request{
		ID: store.NewID("job"), Owner: owner, Kind: kindToy, Payload: payloadOf(work),
		Subject: store.NewID("toy"), Parent: work, Lane: lane,
	}
}

// announce says that a worker can do the works, from the pool.
func (e *engine) announce(worker, pool string, works ...string) {
	e.t.Helper()
	a := jobspec.Announcement{Worker: worker, At: time.Now()}
	for _, w := range works {
		a.Bundles = append(a.Bundles, jobspec.Bundle{Name: w, Kind: kindToy, Pool: pool})
	}
	require.NoError(e.t, e.Announce(e.t.Context(), a))
	require.NoError(e.t, e.Release(e.t.Context()))
}

// leave makes a worker's last announcement that old.
func (e *engine) leave(worker string, ago time.Duration) {
	e.t.Helper()
	_, err := e.store.Exec(e.t.Context(), "UPDATE worker_announcements SET seen_at = ? WHERE id = ?", store.Now().Add(-ago), worker)
	require.NoError(e.t, err)
}

// look reads the job as it is now.
func (e *engine) look(j *gen.Job) *gen.Job {
	e.t.Helper()
	now, err := e.Get(e.as(j.OwnerID), j.ID)
	require.NoError(e.t, err)
	return now
}

// run reads the run that the job hangs on now.
func (e *engine) run(j *gen.Job) *gen.Run {
	e.t.Helper()
	r, err := e.store.Client(e.t.Context()).Run.Get(e.system(), e.look(j).RunID)
	require.NoError(e.t, err)
	return r
}

func (e *engine) attempts(j *gen.Job) []*job.Try {
	e.t.Helper()
	j = e.look(j)
	tries, err := e.AttemptsOf(e.as(j.OwnerID), []*gen.Job{j})
	require.NoError(e.t, err)
	return tries[j.ID]
}

func (e *engine) record(results ...jobspec.Result) {
	e.t.Helper()
	require.NoError(e.t, e.Record(e.t.Context(), results))
}

// events gives the owner's events about an object, in the order of the log.
func (e *engine) events(owner, object string) []event.Event {
	e.t.Helper()
	_, err := e.log.Position(e.t.Context(), 100_000)
	require.NoError(e.t, err)
	all, err := e.log.Read(e.t.Context(), event.Filter{Audiences: []string{event.User(owner)}, Limit: 100_000})
	require.NoError(e.t, err)
	var own []event.Event
	for _, ev := range all {
		if ev.Object == object {
			own = append(own, ev)
		}
	}
	return own
}

// outbox lists what the relay would find: "PUBLISH run 1".
func (e *engine) outbox() []string {
	e.t.Helper()
	var rows []string
	require.NoError(e.t, e.store.Query(e.t.Context(), func(r *sql.Rows) error {
		var action, run string
		var attempt string
		err := r.Scan(&action, &run, &attempt)
		rows = append(rows, action+" "+run+" "+attempt)
		return err
	}, "SELECT action, run_id, attempt FROM outbox ORDER BY id"))
	return rows
}

// relay does what the relay does with all that is due, and gives it.
func (e *engine) relay() []dispatch.Item {
	e.t.Helper()
	due, _, err := e.Prepare(e.t.Context(), 1000)
	require.NoError(e.t, err)
	require.NoError(e.t, e.Done(e.t.Context(), due))
	return due
}

// age makes the run look as if nothing was heard of it for an hour.
func (e *engine) age(run string) {
	e.t.Helper()
	past := store.Now().Add(-time.Hour)
	for _, column := range []string{"heartbeat_at", "published_at"} {
		_, err := e.store.Exec(e.t.Context(), "UPDATE runs SET "+column+" = ? WHERE id = ? AND "+column+" IS NOT NULL", past, run)
		require.NoError(e.t, err)
	}
}

func started(r *gen.Run, worker string) jobspec.Result {
	return report(r.ID, r.Attempt, worker, jobspec.ResultStarted)
}

func done(r *gen.Run, worker string) jobspec.Result {
	d := report(r.ID, r.Attempt, worker, jobspec.ResultDone)
	d.Payload = json.RawMessage(`"fine"`)
	return d
}

func failed(r *gen.Run, worker string, code jobspec.Code) jobspec.Result {
	f := report(r.ID, r.Attempt, worker, jobspec.ResultFailed)
	f.Failure = &jobspec.Failure{Code: code, Message: "It said " + string(code) + "."}
	return f
}

func report(run string, attempt int, worker string, typ jobspec.ResultType) jobspec.Result {
	now := time.Now().UTC()
	return jobspec.Result{Run: run, Attempt: attempt, Kind: kindToy, Type: typ, Worker: worker, StartedAt: now, At: now}
}

// broker is a job.Queue that says what it is told.
type broker struct {
	work, reports map[string]bool
	purged        []string
	// purge, when set, is called by Purge.
	purge func()
}

func (b *broker) Held(context.Context) (job.Held, error) {
	return job.Held{Work: b.work, Reports: b.reports, Last: 7}, nil
}

func (b *broker) Purge(_ context.Context, run string, last uint64) error {
	b.purged = append(b.purged, run+" up to "+strconv.FormatUint(last, 10))
	if b.purge != nil {
		b.purge()
	}
	return nil
}

// rescue makes the run look lost and calls the rescuer, whose broker holds what
// it is told.
func (e *engine) rescue(run string, held bool) int {
	e.t.Helper()
	e.age(run)
	n, err := e.Rescue(e.t.Context(), &broker{work: map[string]bool{run: held}})
	require.NoError(e.t, err)
	return n
}

func outcomesOf(tries []*job.Try) (outcomes []attempt.Outcome) {
	for _, t := range tries {
		outcomes = append(outcomes, t.Outcome)
	}
	return outcomes
}

func statesOf(events []event.Event) (states []string) {
	for _, e := range events {
		states = append(states, e.State)
	}
	return states
}
