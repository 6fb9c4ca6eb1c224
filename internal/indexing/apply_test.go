package indexing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/indexing"
	"parley/internal/jobspec"
)

const digest = "digest of a model that no worker here has"

// office is a process of which the test says what workers report.
type office struct {
	*process
	answered map[string]bool
}

func (w *world) office(cfg indexing.Config) *office {
	w.t.Helper()
	p := w.open("", cfg)
	o := &office{p, map[string]bool{}}
	o.announce()
	for _, f := range []func(context.Context) error{p.relay.Run, p.hub.Run, p.follower.Run, p.keeper.Run} {
		p.stops = append(p.stops, background(w.t, f))
	}
	return o
}

func (o *office) announce() {
	o.t.Helper()
	require.NoError(o.t, o.workers.Announce(o.t.Context(), jobspec.Announcement{Worker: "w", At: time.Now(), Bundles: []jobspec.Bundle{
		{Name: "model", Kind: jobspec.KindEmbed, Pool: "model", Space: &jobspec.Space{Digest: digest, Dimensions: 2, Texts: true, Pictures: true}},
	}}))
}

// task is a run that a worker was given.
type task struct {
	*gen.Run
	work jobspec.Embed
}

// next waits for the next run that was not answered.
func (o *office) next() task {
	o.t.Helper()
	var found task
	ctx := auth.System(o.t.Context(), "test")
	eventually(o.t, "there is work", func() bool {
		runs, err := o.store.Client(ctx).Run.Query().Where(run.StateEQ(run.StateQUEUED)).Order(gen.Asc(run.FieldID)).All(ctx)
		require.NoError(o.t, err)
		i := slices.IndexFunc(runs, func(r *gen.Run) bool { return !o.answered[fmt.Sprint(r.ID, r.Attempt)] })
		if i < 0 {
			return false
		}
		found = task{Run: runs[i]}
		return true
	})
	o.answered[fmt.Sprint(found.ID, found.Attempt)] = true
	require.NoError(o.t, json.Unmarshal(found.Payload, &found.work))
	return found
}

// report says what became of a task.
func (o *office) report(k task, failure *jobspec.Failure, vectors ...jobspec.Embedding) {
	o.t.Helper()
	r := jobspec.Result{Run: k.ID, Attempt: k.Attempt, Kind: k.Kind, Type: jobspec.ResultDone, Worker: "w", StartedAt: time.Now(), At: time.Now()}
	if failure != nil {
		r.Type, r.Failure = jobspec.ResultFailed, failure
	} else {
		var err error
		r.Payload, err = json.Marshal(jobspec.Embedded{Model: "model", Digest: digest, Dimensions: 2, Vectors: vectors})
		require.NoError(o.t, err)
	}
	require.NoError(o.t, o.jobs.Record(o.t.Context(), []jobspec.Result{r}))
}

func of(x, y float32) jobspec.Embedding {
	return jobspec.Embedding{Vector: jobspec.NewVector([]float32{x, y})}
}

// What an object was changed or deleted for meanwhile is not written over what is newer,
// and what a run was given to do is gone with its end.
func TestLateResultsChangeNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		o := w.office(indexing.Config{})
		o.put(thing{id: "thing_1", words: "old", labels: "public"}, thing{id: "thing_2", words: "gone", labels: "public"}, thing{id: "thing_3", words: "stays", labels: "public"})
		first := o.next()
		require.Equal(t, []string{"old", "gone", "stays"}, first.work.Texts)
		o.put(thing{id: "thing_1", words: "new", labels: "public"})
		o.put(thing{id: "thing_3", words: "stays", labels: "hidden"})
		o.delete("thing_2")
		second := o.next()
		require.Equal(t, []string{"new"}, second.work.Texts, "what stays the same is not sent again")
		o.report(second, nil, of(0, 1))
		o.report(first, nil, of(1, 0), of(1, 0), of(1, 0))
		g := o.active(2, 0)
		got := scored(t, g, indexing.Words, nil)
		assert.InDelta(t, 0, got["thing_1"], 1e-6)
		assert.InDelta(t, 1, got["thing_3"], 1e-6)
		assert.Equal(t, 2, o.vectorsOf(g.ID))
		ctx := auth.System(t.Context(), "test")
		runs, err := o.store.Client(ctx).Run.Query().All(ctx)
		require.NoError(t, err)
		for _, r := range runs {
			assert.JSONEq(t, "{}", string(r.Payload))
		}
		_, err = o.jobs.Retry(ctx, jobOf(t, o, first).ID)
		o.code("CONFLICT", err)
	})
}

func jobOf(t testing.TB, o *office, k task) *gen.Job {
	t.Helper()
	ctx := auth.System(t.Context(), "test")
	jobs, err := o.store.Client(ctx).Job.Query().All(ctx)
	require.NoError(t, err)
	i := slices.IndexFunc(jobs, func(j *gen.Job) bool { return j.RunID == k.ID })
	require.GreaterOrEqual(t, i, 0)
	return jobs[i]
}

// A job that dies is tried again in smaller ones, and no more than so often: then what
// workers fail on is a failure, and the others have their vectors.
func TestDeadJobsAreTriedAgainInSmallerOnes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		o := w.office(indexing.Config{Retry: time.Millisecond})
		const n = 20
		for i := range n {
			o.put(thing{id: fmt.Sprintf("thing_%02d", i), words: fmt.Sprint("words ", i), labels: "public"})
		}
		lost := &jobspec.Failure{Code: jobspec.CodeWorkerLost, Message: "The workers were lost."}
		sizes := map[int]int{}
		for o.ended() < n {
			k := o.next()
			sizes[len(k.work.Texts)]++
			if slices.Contains(k.work.Texts, "words 7") {
				o.report(k, lost)
				continue
			}
			vectors := make([]jobspec.Embedding, len(k.work.Texts))
			for i := range vectors {
				vectors[i] = of(1, 1)
			}
			o.report(k, nil, vectors...)
		}
		g := o.active(n-1, 0)
		failures, err := o.Failures(admin(t), g.ID, 10)
		require.NoError(t, err)
		require.Len(t, failures, 1)
		assert.Equal(t, indexing.Failure{Source: "thing", ObjectID: "thing_07", Side: indexing.Words, Message: "The workers were lost."}, *failures[0])
		assert.Positive(t, sizes[1], sizes)
	})
}

// ended counts what has a vector or a failure for good.
func (o *office) ended() int {
	o.t.Helper()
	return o.rows("vector IS NOT NULL OR failure IS NOT NULL AND retry_at IS NULL AND job_id IS NULL")
}

// A result of another model, and a vector without a direction, are no vectors.
func TestWrongVectorsAreFailures(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		o := w.office(indexing.Config{})
		o.put(thing{id: "thing_1", words: "a", labels: "public"}, thing{id: "thing_2", words: "b", labels: "public"}, thing{id: "thing_3", words: "c", labels: "public"})
		k := o.next()
		o.report(k, nil, of(0, 0), of(1, 0), jobspec.Embedding{Failure: &jobspec.Failure{Code: jobspec.CodeInvalidInput, Message: "Not this one."}})
		g := o.active(1, 0)
		failures, err := o.Failures(admin(t), g.ID, 10)
		require.NoError(t, err)
		require.Len(t, failures, 2)
		assert.Equal(t, []string{"The model gives a vector of zeros.", "Not this one."}, []string{failures[0].Message, failures[1].Message})
	})
}

// Only admins see and change indexes; what changes is told to them, and nothing to others.
func TestIndexesAreForAdmins(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		o := w.office(indexing.Config{})
		o.put(thing{id: "thing_1", words: "a", labels: "public"})
		o.report(o.next(), nil, of(1, 0))
		g := o.active(1, 0)
		for _, role := range []auth.Role{auth.RoleUser, auth.RoleAnalyst, auth.RoleService} {
			ctx := auth.With(t.Context(), auth.Viewer{ID: "user_1", Role: role, Session: "s"})
			_, err := o.List(ctx)
			o.code("FORBIDDEN", err)
			_, err = o.Get(ctx, g.ID)
			o.code("NOT_FOUND", err)
			_, _, err = o.Rebuild(ctx, "model")
			o.code("FORBIDDEN", err)
			_, _, err = o.Switch(ctx, g.ID)
			o.code("FORBIDDEN", err)
			_, err = o.Delete(ctx, g.ID)
			o.code("FORBIDDEN", err)
			_, err = o.Failures(ctx, g.ID, 1)
			o.code("FORBIDDEN", err)
		}
		_, _, err := o.Switch(admin(t), "nonsense")
		o.code("BAD_INPUT", err)
		o.read()
		told, err := o.log.Read(t.Context(), event.Filter{Audiences: []string{event.Role("ADMIN")}, Limit: 1000})
		require.NoError(t, err)
		told = slices.DeleteFunc(told, func(e event.Event) bool { return e.Type != indexing.TypeSearchIndexChanged })
		require.NotEmpty(t, told)
		assert.Equal(t, "BUILDING", told[0].State)
		assert.Equal(t, g.ID, told[0].Object)
		assert.True(t, slices.ContainsFunc(told, func(e event.Event) bool { return e.State == "ACTIVE" }))
	})
}

// What the rooms that call it may do wrong is told them.
func TestChangedAndForgetWantATransactionAndAKnownSource(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := w.open("", indexing.Config{})
		assert.Error(t, p.Changed(t.Context(), "thing", "thing_1"))
		assert.Error(t, p.Forget(t.Context(), "thing", "thing_1"))
		for _, call := range []func(context.Context, string, ...string) error{p.Changed, p.Forget} {
			assert.Error(t, p.store.Tx(t.Context(), func(ctx context.Context) error { return call(ctx, "nobody's", "thing_1") }))
			assert.NoError(t, p.store.Tx(t.Context(), func(ctx context.Context) error { return call(ctx, "thing") }))
		}
		_, err := indexing.New(p.store, p.log, p.jobs, p.workers, indexing.Config{Sources: []indexing.Source{{Name: "x"}}})
		assert.Error(t, err)
	})
}
