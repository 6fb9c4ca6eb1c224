package sticker_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/media"
	"parley/internal/sticker"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const owner, stranger = "user_owner", "user_stranger"

// room is the service on a database and a media store of the test's own.
type room struct {
	*sticker.Service
	t     testing.TB
	store *store.Store
	log   *event.Log
	media *media.Service
	// told is what a watcher heard.
	told []string
}

func newRoom(t testing.TB, s *store.Store) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	tokens, err := auth.NewTokens(bytes.Repeat([]byte("k"), 32), 1)
	require.NoError(t, err)
	b, err := media.OpenBucket(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	m := media.New(s, log, tokens, b)
	r := &room{Service: sticker.New(s, log, m), t: t, store: s, log: log, media: m}
	r.Follow(func(_ context.Context, gone bool, ids ...string) error {
		for _, id := range ids {
			r.told = append(r.told, fmt.Sprint(id, " gone ", gone))
		}
		return nil
	}, nil)
	return r
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newRoom(t, s)) })
}

func as(t testing.TB, id string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: id, Role: auth.RoleUser, Session: "s"})
}

func admin(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: "user_admin", Role: auth.RoleAdmin, Session: "s"})
}

func ptr[T any](v T) *T { return &v }

// picture is a PNG file in a shade of its own.
func picture(t testing.TB, shade byte) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 8, 6))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], []byte{shade, byte(i), 10, 255})
	}
	m.Set(0, 0, color.NRGBA{})
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

// files are pictures with names.
func files(t testing.TB, names ...string) []sticker.File {
	t.Helper()
	all := make([]sticker.File, len(names))
	for i, name := range names {
		all[i] = sticker.File{Name: name, Content: bytes.NewReader(picture(t, byte(i)))}
	}
	return all
}

// added adds stickers that nothing is wrong with.
func (r *room) added(who context.Context, in sticker.AddInput) []*sticker.Sticker {
	r.t.Helper()
	got, err := r.Add(who, in)
	require.NoError(r.t, err)
	all := make([]*sticker.Sticker, len(got.Results))
	for i, one := range got.Results {
		require.NoError(r.t, one.Err)
		all[i] = one.Sticker
	}
	return all
}

// private adds a private sticker of somebody, public one of the admin.
func (r *room) private(who, name string) *sticker.Sticker {
	r.t.Helper()
	return r.added(as(r.t, who), sticker.AddInput{Files: files(r.t, name), Visibility: sticker.Private})[0]
}

func (r *room) public(name string) *sticker.Sticker {
	r.t.Helper()
	return r.added(admin(r.t), sticker.AddInput{Files: files(r.t, name), Visibility: sticker.Public})[0]
}

// outcomes gives the name of each sticker, or the code of its refusal.
func outcomes(got *sticker.Added) []string {
	all := make([]string, len(got.Results))
	for i, one := range got.Results {
		if one.Err != nil {
			all[i] = string(apperr.CodeOf(one.Err))
		} else {
			all[i] = one.Sticker.Name
		}
	}
	return all
}

// events gives what the log has behind a place, each as "audience type object state".
func (r *room) events(after event.Cursor) []string {
	r.t.Helper()
	for {
		n, err := r.log.Position(r.t.Context(), 1000)
		require.NoError(r.t, err)
		if n == 0 {
			break
		}
	}
	all, err := r.log.Read(r.t.Context(), event.Filter{After: after.Position, Limit: 1000})
	require.NoError(r.t, err)
	texts := make([]string, len(all))
	for i, e := range all {
		texts[i] = fmt.Sprintf("%s %s %s v%d %s", e.Audience, e.Type, e.Object, e.Version, e.State)
	}
	return texts
}

// count counts the rows of a table.
func (r *room) count(table string) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM "+table))
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
