package note_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/note"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// room is the note service on one database, with a worker that announced what
// translate-mini does.
type room struct {
	*note.Service
	t       *testing.T
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
}

func newRoom(t *testing.T, s *store.Store, c cache.Cache) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	r := &room{t: t, store: s, log: log, workers: directory.New(s)}
	r.jobs = job.New(s, log, r.workers, job.Config{MaxAttempts: 2, RetryBase: time.Nanosecond})
	r.Service = note.New(s, log, r.jobs, r.workers, c)
	for _, k := range r.Domain().Kinds {
		r.jobs.Register(k)
	}
	return r
}

// onBoth runs a test on SQLite and on Postgres, with a cache in memory.
func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, cache.NewMemory(8<<20))
		r.announce(mini()...)
		test(t, r)
	})
}

// mini is what translate-mini announces.
func mini() []jobspec.Direction {
	var all []jobspec.Direction
	for _, other := range []string{"es", "fr", "de"} {
		all = append(all, jobspec.Direction{Source: "en", Target: other}, jobspec.Direction{Source: other, Target: "en"})
	}
	return append(all, jobspec.Direction{Source: "es", Target: "fr", Pivot: true})
}

func (r *room) announce(directions ...jobspec.Direction) {
	r.t.Helper()
	require.NoError(r.t, r.workers.Announce(r.t.Context(), jobspec.Announcement{Worker: "w", At: time.Now(), Bundles: []jobspec.Bundle{
		{Name: "mini", Kind: jobspec.KindTranslate, Pool: "mini", Directions: directions},
	}}))
}

const owner = "user_a"

func as(t testing.TB, user string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: user, Role: auth.RoleUser})
}

func asAdmin(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: "user_admin", Role: auth.RoleAdmin})
}

func ptr[T any](v T) *T { return &v }

func (r *room) create(user, title, text, lang string) *gen.Note {
	r.t.Helper()
	w, err := r.Create(as(r.t, user), note.CreateNoteInput{Title: title, Text: text, Language: &lang})
	require.NoError(r.t, err)
	return w.Note
}

func (r *room) english(title string) *gen.Note {
	return r.create(owner, title, "The text of "+title+".", "en")
}

func (r *room) translate(n *gen.Note, languages ...string) []*gen.Job {
	r.t.Helper()
	jobs, _, err := r.Translate(as(r.t, n.OwnerID), note.TranslateNoteInput{NoteID: n.ID, Languages: languages})
	require.NoError(r.t, err)
	return jobs
}

func (r *room) edit(n *gen.Note, in note.UpdateNoteInput) *gen.Note {
	r.t.Helper()
	in.ID = n.ID
	w, err := r.Update(as(r.t, n.OwnerID), in)
	require.NoError(r.t, err)
	return w.Note
}

// report says what a worker made of the job's present attempt.
func (r *room) report(j *gen.Job, typ jobspec.ResultType, payload any, failure *jobspec.Failure) {
	r.t.Helper()
	system := auth.System(r.t.Context(), "test")
	now, err := r.jobs.Get(system, j.ID)
	require.NoError(r.t, err)
	run, err := r.store.Client(system).Run.Get(system, now.RunID)
	require.NoError(r.t, err)
	data, err := json.Marshal(payload)
	require.NoError(r.t, err)
	require.NoError(r.t, r.jobs.Record(r.t.Context(), []jobspec.Result{{
		Run: run.ID, Attempt: run.Attempt, Kind: run.Kind, Type: typ, Worker: "w", StartedAt: time.Now(), At: time.Now(),
		Payload: data, Failure: failure,
	}}))
}

func (r *room) finish(j *gen.Job, text string) {
	r.t.Helper()
	r.report(j, jobspec.ResultDone, jobspec.Translated{Text: text, Model: "mini"}, nil)
}

func (r *room) fail(j *gen.Job, code jobspec.Code) {
	r.t.Helper()
	r.report(j, jobspec.ResultFailed, nil, &jobspec.Failure{Code: code, Message: "No."})
}

// read gives the note with its translations as its owner reads it.
func (r *room) read(n *gen.Note) *gen.Note {
	r.t.Helper()
	got, err := r.Get(as(r.t, n.OwnerID), n.ID)
	require.NoError(r.t, err)
	return got
}

// states gives the newest translation's state by language.
func (r *room) states(n *gen.Note) map[string]string {
	r.t.Helper()
	states := map[string]string{}
	for _, t := range r.read(n).Edges.Translations {
		states[t.Language] = string(t.State)
	}
	return states
}

func (r *room) stateOf(j *gen.Job) job.State {
	r.t.Helper()
	now, err := r.jobs.Get(as(r.t, j.OwnerID), j.ID)
	require.NoError(r.t, err)
	return now.State
}

// refused asserts that an error has the code and blames the argument.
func refused(t *testing.T, err error, code apperr.Code, path ...string) {
	t.Helper()
	require.Error(t, err)
	all := apperr.List(err)
	require.NotEmpty(t, all, "%v", err)
	require.Equal(t, code, all[0].Code, "%v", err)
	if len(path) > 0 {
		require.Equal(t, path, all[0].Path)
	}
}
