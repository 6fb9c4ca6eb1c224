package content_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	entjob "parley/ent/gen/job"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/content"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/media"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const owner, stranger = "user_owner", "user_stranger"

// room is the service on one database, with a worker that announced a model for texts and
// one for pictures, and does nothing by itself.
type room struct {
	*content.Service
	t       *testing.T
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
	media   *media.Service
}

func newRoom(t *testing.T, s *store.Store, cfg content.Config) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	tokens, err := auth.NewTokens(bytes.Repeat([]byte("k"), 32), 1)
	require.NoError(t, err)
	b, err := media.OpenBucket(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	r := &room{t: t, store: s, log: log, workers: directory.New(s), media: media.New(s, log, tokens, b)}
	r.jobs = job.New(s, log, r.workers, job.Config{MaxAttempts: 2, RetryBase: time.Nanosecond})
	r.Service = content.New(s, log, r.jobs, r.workers, r.media, cfg)
	for _, k := range r.Domain().Kinds {
		r.jobs.Register(k)
	}
	return r
}

var writer, painter = jobspec.Bundle{Name: "writer", Kind: jobspec.KindWrite, Pool: "writer", Digest: "aa"}, jobspec.Bundle{Name: "painter", Kind: jobspec.KindDraw, Pool: "painter", Digest: "bb"}

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, content.Config{})
		r.announce(writer, painter)
		test(t, r)
	})
}

func (r *room) announce(bundles ...jobspec.Bundle) {
	r.t.Helper()
	require.NoError(r.t, r.workers.Announce(r.system(), jobspec.Announcement{Worker: "w", At: time.Now(), Bundles: bundles}))
}

func (r *room) as(user string) context.Context {
	return auth.With(r.t.Context(), auth.Viewer{ID: user, Role: auth.RoleUser})
}

func (r *room) system() context.Context { return auth.System(r.t.Context(), "test") }

// ask makes a request of the owner.
func (r *room) ask(kind content.Kind) *gen.ContentRequest {
	r.t.Helper()
	w, err := r.Request(r.as(owner), content.RequestInput{Prompt: "a dog on a beach", Kind: kind})
	require.NoError(r.t, err)
	return w.Request
}

func (r *room) get(id string) *gen.ContentRequest {
	r.t.Helper()
	got, err := r.Get(r.as(owner), id)
	require.NoError(r.t, err)
	return got
}

// jobOf gives the job that makes a part of a request.
func (r *room) jobOf(request *gen.ContentRequest, part int) *gen.Job {
	r.t.Helper()
	j, err := r.jobs.Get(r.as(owner), request.Edges.Parts[part].JobID)
	require.NoError(r.t, err)
	return j
}

// report is what a worker says of the present attempt at a job.
func (r *room) report(j *gen.Job, typ jobspec.ResultType, payload any) jobspec.Result {
	r.t.Helper()
	run, err := r.store.Client(r.system()).Run.Get(r.system(), j.RunID)
	require.NoError(r.t, err)
	out := jobspec.Result{Run: run.ID, Attempt: run.Attempt, Kind: run.Kind, Type: typ, Worker: "w", StartedAt: time.Now(), At: time.Now()}
	switch p := payload.(type) {
	case nil:
	case *jobspec.Failure:
		out.Failure = p
	default:
		out.Payload, err = json.Marshal(p)
		require.NoError(r.t, err)
	}
	return out
}

func (r *room) record(results ...jobspec.Result) {
	r.t.Helper()
	require.NoError(r.t, r.jobs.Record(r.t.Context(), results))
}

func (r *room) count() (jobs int) {
	r.t.Helper()
	jobs, err := r.store.Client(r.system()).Job.Query().Where(entjob.OwnerID(owner)).Count(r.system())
	require.NoError(r.t, err)
	return jobs
}

func (r *room) refused(err error, code apperr.Code) {
	r.t.Helper()
	require.True(r.t, apperr.Is(err, code), "%v, not %s", err, code)
}

// written is what a worker gives for a text.
func written(text, end string) jobspec.Written {
	return jobspec.Written{
		Texts: []jobspec.WrittenText{{Text: text, Tokens: 5, End: end}}, Model: "writer", Digest: "aa", Runtime: "test 1", Seed: 1, Prompt: "a dog on a beach",
		Candidates: 1, Settings: jobspec.WriteSettings{MaxNewTokens: 32, DoSample: true, Temperature: 0.7, TopP: 0.9, RepetitionPenalty: 1},
	}
}

// drawn is what a worker gives for a picture.
func drawn(t *testing.T) jobspec.Drawn {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, image.NewNRGBA(image.Rect(0, 0, 8, 4))))
	return jobspec.Drawn{PNG: file.Bytes(), Width: 8, Height: 4, Model: "painter", Digest: "bb", Runtime: "test 1", Prompt: "a dog on a beach", Seed: 2, Steps: 4, Guidance: 8}
}

// refusal is what a worker says of work that can't be done.
var refusal = &jobspec.Failure{Code: jobspec.CodeInvalidInput, Message: "No."}

func ptr[T any](v T) *T { return &v }
