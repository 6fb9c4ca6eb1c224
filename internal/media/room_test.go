package media_test

import (
	"bytes"
	"context"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/media"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const owner, stranger = "user_owner", "user_stranger"

// room is the service on a database and a bucket of the test's own.
type room struct {
	*media.Service
	t      testing.TB
	store  *store.Store
	bucket *media.Bucket
	tokens *auth.Tokens
}

func newRoom(t testing.TB, s *store.Store, where string) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	tokens, err := auth.NewTokens(bytes.Repeat([]byte("k"), 32), 1)
	require.NoError(t, err)
	b := openBucket(t, where)
	return &room{media.New(s, log, tokens, b), t, s, b, tokens}
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newRoom(t, s, t.TempDir())) })
}

func as(t testing.TB, id string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: id, Role: auth.RoleUser, Session: "s"})
}

func admin(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: "user_admin", Role: auth.RoleAdmin, Session: "s"})
}

func ptr[T any](v T) *T { return &v }

// file is a picture of a shade of its own.
func file(t testing.TB, shade byte) []byte {
	return pngOf(t, drawn(8, 6, color.NRGBA{shade, 10, 10, 255}))
}

// upload keeps a picture of somebody.
func (r *room) upload(who string, v visibility, shade byte) *gen.Media {
	r.t.Helper()
	w, err := r.Upload(as(r.t, who), media.UploadInput{File: bytes.NewReader(file(r.t, shade)), Visibility: v})
	require.NoError(r.t, err)
	return w.Image
}

// stored tells whether the bytes of a picture are there.
func (r *room) stored(m *gen.Media) bool {
	r.t.Helper()
	data, err := read(r.t, r.bucket, m.Hash, m.Bytes)
	if apperr.CodeOf(err) == apperr.NotFound {
		return false
	}
	require.NoError(r.t, err)
	require.Len(r.t, data, int(m.Bytes))
	return true
}

// age makes everything that was noted as loose so much older that the next sweep is due.
func (r *room) age() {
	r.t.Helper()
	_, err := r.store.Exec(r.t.Context(), "UPDATE loose_objects SET since = ?", store.Now().Add(-media.Grace-1))
	require.NoError(r.t, err)
}

func (r *room) sweep() int {
	r.t.Helper()
	n, err := r.Sweep(r.t.Context())
	require.NoError(r.t, err)
	return n
}

// refused tells that an error has a code, and is about an argument.
func refused(t testing.TB, err error, code apperr.Code, path ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, apperr.CodeOf(err), "%v", err)
	if len(path) > 0 {
		require.Equal(t, path, apperr.List(err)[0].Path)
	}
}
