package catalog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/catalog"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// room is the domain on one database.
type room struct {
	*catalog.Service
	t       *testing.T
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
}

const (
	boss   = "user_boss"
	here   = "0123456789abcdef"
	there  = "fedcba9876543210"
	closed = "00000000000000ff"
)

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		log, err := event.Open(t.Context(), s)
		require.NoError(t, err)
		r := &room{t: t, store: s, log: log, workers: directory.New(s)}
		r.jobs = job.New(s, log, r.workers, job.Config{MaxAttempts: 2, RetryBase: time.Nanosecond})
		r.Service = catalog.New(s, log, r.jobs, r.workers)
		for _, k := range r.Domain().Kinds {
			r.jobs.Register(k)
		}
		test(t, r)
	})
}

func (r *room) admin() context.Context {
	return auth.With(r.t.Context(), auth.Viewer{ID: boss, Role: auth.RoleAdmin})
}

func model(name string, state jobspec.ModelState) jobspec.Model {
	return jobspec.Model{Name: name, Kind: "marian", Languages: []string{"en"}, Size: 5 << 30, State: state}
}

// announce says that a worker's folder has the models.
func (r *room) announce(worker, folder string, writable bool, models ...jobspec.Model) {
	r.t.Helper()
	a := jobspec.Announcement{Worker: worker, At: time.Now(), Folder: &jobspec.Folder{ID: folder, Writable: writable, Models: models}}
	if writable {
		for _, kind := range []string{jobspec.KindPullModel, jobspec.KindRemoveModel} {
			a.Bundles = append(a.Bundles, jobspec.Bundle{Name: "folder", Kind: kind, Pool: jobspec.FolderPool(folder)})
		}
	}
	require.NoError(r.t, r.workers.Announce(r.t.Context(), a))
}

func (r *room) names() []string {
	r.t.Helper()
	most := 100
	p, err := r.List(r.admin(), page.Args{First: &most})
	require.NoError(r.t, err)
	names := []string{}
	for _, e := range p.Edges {
		names = append(names, e.Node.Name+" in "+e.Node.Folder[:4]+" "+string(e.Node.State))
	}
	return names
}

func (r *room) pull(in catalog.PullModelInput) []*gen.Job {
	r.t.Helper()
	jobs, _, err := r.Pull(r.admin(), in)
	require.NoError(r.t, err)
	return jobs
}

// done reports that a job's worker found the models in its folder.
func (r *room) done(j *gen.Job, worker, folder string, models ...jobspec.Model) {
	r.t.Helper()
	payload, err := json.Marshal(jobspec.FolderChanged{Worker: worker, At: time.Now(), Folder: jobspec.Folder{ID: folder, Writable: true, Models: models}})
	require.NoError(r.t, err)
	require.NoError(r.t, r.jobs.Record(r.t.Context(), []jobspec.Result{{
		Run: j.RunID, Attempt: 1, Kind: j.Kind, Type: jobspec.ResultDone, Worker: worker, StartedAt: time.Now(), At: time.Now(), Payload: payload,
	}}))
}

// news gives what happened to workers, in the order of the log.
func (r *room) news() []string {
	r.t.Helper()
	_, err := r.log.Position(r.t.Context(), 1000)
	require.NoError(r.t, err)
	events, err := r.log.Read(r.t.Context(), event.Filter{Audiences: []string{"r:ADMIN"}, Limit: 1000})
	require.NoError(r.t, err)
	all := []string{}
	for _, e := range events {
		assert.Equal(r.t, catalog.TypeModelsChanged, e.Type)
		all = append(all, e.Object+" "+e.State)
	}
	return all
}

func TestModelsAreOneForEachFolder(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		assert.Empty(t, r.names())
		r.announce("a", here, true, model("mini", jobspec.ModelServed), model("old", jobspec.ModelClosed))
		r.announce("b", here, true, model("mini", jobspec.ModelBroken), model("old", jobspec.ModelClosed))
		r.announce("c", there, false, model("mini", jobspec.ModelBroken))
		assert.ElementsMatch(t, []string{"mini in 0123 SERVED", "mini in fedc BROKEN", "old in 0123 CLOSED"}, r.names())
		folders, err := r.Folders(r.admin())
		require.NoError(t, err)
		require.Len(t, folders, 2)
		assert.Equal(t, catalog.Folder{ID: here, Writable: true, Alive: true, Workers: []string{"b", "a"}}, *folders[0])
		p, err := r.List(r.admin(), page.Args{})
		require.NoError(t, err)
		for _, e := range p.Edges {
			m, err := r.Get(r.admin(), e.Node.ID)
			require.NoError(t, err)
			assert.Equal(t, e.Node, m)
		}
		_, err = r.Get(auth.With(t.Context(), auth.Viewer{ID: "user_a", Role: auth.RoleUser}), p.Edges[0].Node.ID)
		assert.True(t, apperr.Is(err, apperr.NotFound), "a user is told %v", err)
		// Pages go forth and back over the same list.
		one := 1
		first, err := r.List(r.admin(), page.Args{First: &one})
		require.NoError(t, err)
		second, err := r.List(r.admin(), page.Args{First: &one, After: &first.Edges[0].Cursor})
		require.NoError(t, err)
		back, err := r.List(r.admin(), page.Args{Last: &one, Before: &second.Edges[0].Cursor})
		require.NoError(t, err)
		assert.True(t, first.HasNext && second.HasPrevious)
		assert.Equal(t, first.Edges[0].Node.ID, back.Edges[0].Node.ID)
		assert.NotEqual(t, first.Edges[0].Node.ID, second.Edges[0].Node.ID)
	})
}

func TestAPullIsAJobForEachFolderThatLacksTheModel(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		_, _, err := r.Pull(r.admin(), catalog.PullModelInput{Repository: "acme/mini"})
		assert.True(t, apperr.Is(err, apperr.Conflict), "without a worker: %v", err)
		r.announce("a", here, true)
		r.announce("b", there, true, model("mini", jobspec.ModelServed))
		r.announce("c", closed, false)
		key := "k"
		jobs := r.pull(catalog.PullModelInput{Repository: "acme/mini", IdempotencyKey: &key})
		require.Len(t, jobs, 1)
		again := r.pull(catalog.PullModelInput{Repository: "acme/mini", IdempotencyKey: &key})
		assert.Equal(t, jobs[0].ID, again[0].ID, "the same key")
		joined := r.pull(catalog.PullModelInput{Repository: "acme/mini"})
		assert.Equal(t, jobs[0].RunID, joined[0].RunID, "the same work is joined")
		revision := "v2"
		_, _, err = r.Pull(r.admin(), catalog.PullModelInput{Repository: "acme/mini", Revision: &revision})
		assert.True(t, apperr.Is(err, apperr.Conflict), "another pull of the name: %v", err)
		r.done(jobs[0], "a", here, model("mini", jobspec.ModelServed))
		assert.ElementsMatch(t, []string{"mini in 0123 SERVED", "mini in fedc SERVED"}, r.names(), "at the end of the job")
		m, err := r.Get(r.admin(), jobs[0].SubjectID)
		require.NoError(t, err, "the job's result")
		assert.Equal(t, "mini", m.Name)
		assert.Empty(t, r.pull(catalog.PullModelInput{Repository: "acme/mini"}), "all folders have it")
		replace := true
		assert.Len(t, r.pull(catalog.PullModelInput{Repository: "acme/mini", Replace: &replace}), 2)
	})
}

func TestARemovalEndsWithoutTheModel(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.announce("a", here, true, model("mini", jobspec.ModelServed))
		_, _, err := r.Remove(r.admin(), catalog.RemoveModelInput{Name: "other"})
		assert.True(t, apperr.Is(err, apperr.NotFound), "%v", err)
		jobs, _, err := r.Remove(r.admin(), catalog.RemoveModelInput{Name: "mini"})
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		_, _, err = r.Pull(r.admin(), catalog.PullModelInput{Repository: "acme/mini", Replace: new(bool), Folder: ptr(here)})
		assert.True(t, apperr.Is(err, apperr.Conflict), "a pull meanwhile: %v", err)
		// A word from before the removal that comes late changes nothing.
		before := time.Now()
		r.done(jobs[0], "a", here)
		require.NoError(t, r.workers.Announce(t.Context(), jobspec.Announcement{
			Worker: "a", At: before, Folder: &jobspec.Folder{ID: here, Writable: true, Models: []jobspec.Model{model("mini", jobspec.ModelServed)}},
		}))
		assert.Empty(t, r.names())
		assert.Equal(t, []string{"a CAME", "a CHANGED"}, r.news())
	})
}

func TestACancelledPullIsTriedAgainUnderItsID(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.announce("a", here, true)
		j := r.pull(catalog.PullModelInput{Repository: "acme/mini"})[0]
		_, err := r.jobs.Cancel(r.admin(), j.ID)
		require.NoError(t, err)
		retried, err := r.jobs.Retry(r.admin(), j.ID)
		require.NoError(t, err)
		assert.Equal(t, job.Queued, retried.State)
		joined := r.pull(catalog.PullModelInput{Repository: "acme/mini"})
		assert.Equal(t, retried.RunID, joined[0].RunID, "the same work has the same words")
		_, err = r.jobs.Cancel(r.admin(), j.ID)
		require.NoError(t, err)
		_, err = r.jobs.Cancel(r.admin(), joined[0].ID)
		require.NoError(t, err)
		_ = r.pull(catalog.PullModelInput{Repository: "acme/mini", Precision: ptr("q4")})
		_, err = r.jobs.Retry(r.admin(), j.ID)
		assert.True(t, apperr.Is(err, apperr.Conflict), "while other work is under way: %v", err)
	})
}

func ptr[T any](v T) *T { return &v }

func TestWhatCantBeIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.announce("a", here, true)
		long := fmt.Sprintf("a/%0200d", 1)
		for name, in := range map[string]catalog.PullModelInput{
			"no owner": {Repository: "mini"}, "a path": {Repository: "../mini"}, "dots": {Repository: "a/b..c"}, "an address": {Repository: "http://a/b"},
			"long": {Repository: long}, "empty": {}, "a revision that climbs": {Repository: "a/b", Revision: ptr("../../x")},
			"a name with a slash": {Repository: "a/b", Name: ptr("x/y")}, "a hidden name": {Repository: "a/b", Name: ptr(".x")},
			"a folder that is a path": {Repository: "a/b", Folder: ptr("/tmp")}, "a precision": {Repository: "a/b", Precision: ptr("../q4")},
			"bad UTF-8": {Repository: "a/\xff"}, "an empty key": {Repository: "a/b", IdempotencyKey: ptr("")},
		} {
			_, _, err := r.Pull(r.admin(), in)
			assert.True(t, apperr.Is(err, apperr.BadInput), "%s: %v", name, err)
		}
		_, _, err := r.Pull(r.admin(), catalog.PullModelInput{Repository: "a/b", Folder: ptr(there)})
		assert.True(t, apperr.Is(err, apperr.NotFound), "a folder that nobody has: %v", err)
		for _, v := range []auth.Viewer{{ID: "user_a", Role: auth.RoleUser}, {ID: "user_b", Role: auth.RoleAnalyst}} {
			_, _, err := r.Pull(auth.With(t.Context(), v), catalog.PullModelInput{Repository: "a/b"})
			assert.True(t, apperr.Is(err, apperr.Forbidden), "%s: %v", v.Role, err)
		}
	})
}

func TestAResultThatSaysNothingIsAFailure(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.announce("a", here, true)
		j := r.pull(catalog.PullModelInput{Repository: "acme/mini"})[0]
		for attempt := 1; attempt <= 2; attempt++ {
			require.NoError(t, r.jobs.Record(t.Context(), []jobspec.Result{{
				Run: j.RunID, Attempt: attempt, Kind: j.Kind, Type: jobspec.ResultDone, Worker: "a", StartedAt: time.Now(), At: time.Now(), Payload: json.RawMessage(`{}`),
			}}))
		}
		got, err := r.jobs.Get(r.admin(), j.ID)
		require.NoError(t, err)
		assert.Equal(t, job.Dead, got.State)
	})
}
