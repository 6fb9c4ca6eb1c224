package dispatch

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const owner = "user_a"

// house is the outbox of an engine whose one kind of job is a toy.
type house struct {
	*Outbox
	t     *testing.T
	woken atomic.Int64
}

// onBoth runs a test with a house of its own on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		log, err := event.Open(t.Context(), s)
		require.NoError(t, err)
		h := &house{t: t}
		log.OnCommit(func() { h.woken.Add(1) })
		workers := directory.New(s)
		jobs := job.New(s, log, workers, job.Config{RetryBase: time.Nanosecond})
		jobs.Register(toy())
		h.Outbox = New(s, log, jobs, workers)
		test(t, h)
	})
}

// toy is a kind whose work is done by those who announce a bundle of its name.
func toy() job.Kind {
	return job.Kind{
		Name:   "toy",
		Apply:  func(context.Context, []*job.Ended) ([]event.Change, error) { return nil, nil },
		Reopen: func(context.Context, *gen.Job) (json.RawMessage, error) { return nil, errors.New("toys stay broken") },
		Route: func(payload json.RawMessage, bundles []jobspec.Bundle) string {
			for _, b := range bundles {
				if strconv.Quote(b.Name) == string(payload) {
					return b.Pool
				}
			}
			return ""
		},
	}
}

func (h *house) as(user string) context.Context {
	return auth.With(h.t.Context(), auth.Viewer{ID: user, Role: auth.RoleUser})
}

// ask enqueues one job for the work.
func (h *house) ask(work string) *gen.Job {
	h.t.Helper()
	var made []*gen.Job
	require.NoError(h.t, h.store.Tx(h.as(owner), func(ctx context.Context) (err error) {
		made, err = h.jobs.Enqueue(ctx, []job.Request{{
			ID: store.NewID("job"), Owner: owner, Kind: "toy", Payload: json.RawMessage(strconv.Quote(work)),
			Subject: store.NewID("toy"), Lane: jobspec.LaneInteractive,
		}})
		return err
	}))
	return made[0]
}

// announce says that a worker can do the works, from the pool, and has it noticed
// as a domain does that asks what can be done.
func (h *house) announce(pool string, works ...string) {
	h.t.Helper()
	a := jobspec.Announcement{Worker: "w", At: time.Now()}
	for _, w := range works {
		a.Bundles = append(a.Bundles, jobspec.Bundle{Name: w, Kind: "toy", Pool: pool})
	}
	require.NoError(h.t, h.workers.Announce(h.t.Context(), a))
	_, err := h.workers.Workers(h.t.Context())
	require.NoError(h.t, err)
}

// report records what a worker says of an attempt of a job's run.
func (h *house) report(j *gen.Job, attempt int, is jobspec.ResultType) {
	h.t.Helper()
	now := time.Now().UTC()
	r := jobspec.Result{Run: j.RunID, Attempt: attempt, Kind: "toy", Type: is, Worker: "w", StartedAt: now, At: now, Payload: json.RawMessage(`"fine"`)}
	if is == jobspec.ResultFailed {
		r.Failure = &jobspec.Failure{Code: jobspec.CodeInternal, Message: "It broke."}
	}
	require.NoError(h.t, h.jobs.Record(h.t.Context(), []jobspec.Result{r}))
}

func (h *house) system() context.Context { return auth.System(h.t.Context(), "test") }

func (h *house) run(j *gen.Job) *gen.Run {
	h.t.Helper()
	r, err := h.store.Client(h.t.Context()).Run.Get(h.system(), j.RunID)
	require.NoError(h.t, err)
	return r
}

// due gives what is to be acted on, and when to look again.
func (h *house) due() ([]Item, time.Time) {
	h.t.Helper()
	items, next, err := h.Prepare(h.t.Context(), 10)
	require.NoError(h.t, err)
	return items, next
}

// rows lists the outbox: "PUBLISH run 1".
func (h *house) rows() []string {
	h.t.Helper()
	rows := []string{}
	require.NoError(h.t, h.store.Query(h.t.Context(), func(r *sql.Rows) error {
		var action, run, attempt string
		err := r.Scan(&action, &run, &attempt)
		rows = append(rows, action+" "+run+" "+attempt)
		return err
	}, "SELECT action, run_id, attempt FROM outbox ORDER BY id"))
	return rows
}

// age makes a run look as if it was asked for that long ago.
func (h *house) age(j *gen.Job, ago time.Duration) {
	h.t.Helper()
	h.exec("UPDATE runs SET created_at = ? WHERE id = ?", store.Now().Add(-ago), j.RunID)
}

func (h *house) exec(statement string, args ...any) {
	h.t.Helper()
	n, err := h.store.Exec(h.t.Context(), statement, args...)
	require.NoError(h.t, err)
	require.Positive(h.t, n)
}
