package feed_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/feed"
	"parley/internal/media"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// room is the service on a database and a media store of the test's own.
type room struct {
	*feed.Service
	t     testing.TB
	store *store.Store
	log   *event.Log
	media *media.Service
}

// usual is how feeds are kept unless a test says otherwise: timelines are short and authors
// soon large, so that both are met with.
var usual = feed.Config{Timeline: 12, Fanout: 3}

func newRoom(t testing.TB, s *store.Store, cfg feed.Config) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	tokens, err := auth.NewTokens(bytes.Repeat([]byte("k"), 32), 1)
	require.NoError(t, err)
	b, err := media.OpenBucket(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	m := media.New(s, log, tokens, b)
	return &room{Service: feed.New(s, log, m, cfg), t: t, store: s, log: log, media: m}
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newRoom(t, s, usual)) })
}

// someone is an account.
type someone struct {
	*room
	id string
}

// one makes an account with a handle.
func (r *room) one(handle string) someone {
	r.t.Helper()
	id := store.NewID("user")
	system := auth.System(r.t.Context(), "test")
	require.NoError(r.t, r.store.Tx(system, func(ctx context.Context) error {
		return r.store.Client(ctx).User.Create().SetID(id).SetEmail(id).SetEmailKey(id).SetPasswordHash("h").Exec(ctx)
	}))
	s := someone{r, id}
	_, err := r.SetProfile(s.ctx(), feed.ProfileInput{Handle: handle})
	require.NoError(r.t, err)
	return s
}

// some makes accounts.
func (r *room) some(n int) []someone {
	r.t.Helper()
	all := make([]someone, n)
	for i := range all {
		all[i] = r.one(fmt.Sprint("user_", i))
	}
	return all
}

func (s someone) ctx() context.Context {
	return auth.With(s.t.Context(), auth.Viewer{ID: s.id, Role: auth.RoleUser, Session: "s"})
}

func (s someone) admin() context.Context {
	return auth.With(s.t.Context(), auth.Viewer{ID: s.id, Role: auth.RoleAdmin, Session: "s"})
}

func (s someone) post(title string) *gen.Post {
	s.t.Helper()
	w, err := s.Create(s.ctx(), feed.CreateInput{Title: title})
	require.NoError(s.t, err)
	return w.Post
}

func (s someone) follows(others ...someone) {
	s.t.Helper()
	for _, o := range others {
		_, err := s.Follow(s.ctx(), o.id)
		require.NoError(s.t, err)
	}
}

func (s someone) unfollows(o someone) {
	s.t.Helper()
	_, err := s.Unfollow(s.ctx(), o.id)
	require.NoError(s.t, err)
}

func (s someone) blocks(o someone) {
	s.t.Helper()
	_, err := s.Block(s.ctx(), o.id)
	require.NoError(s.t, err)
}

func (s someone) deletes(p *gen.Post) {
	s.t.Helper()
	_, err := s.Delete(s.ctx(), p.ID)
	require.NoError(s.t, err)
}

// home gives a page of the feed.
func (s someone) home(args page.Args) *feed.Home {
	s.t.Helper()
	h, err := s.Home(s.ctx(), feed.HomeArgs{Args: args})
	require.NoError(s.t, err)
	return h
}

// titles gives those of the first page of the feed, joined.
func (s someone) titles() string {
	s.t.Helper()
	return titles(s.home(page.Args{First: ptr(100)}).Page)
}

func titles(p *page.Page[*gen.Post]) string {
	all := make([]string, len(p.Edges))
	for i, e := range p.Edges {
		all[i] = e.Node.Title
	}
	return strings.Join(all, " ")
}

// picture uploads one of somebody's.
func (s someone) picture(v media.UploadInput) *gen.Media {
	s.t.Helper()
	var b bytes.Buffer
	require.NoError(s.t, png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 8, 6))))
	v.File = &b
	w, err := s.media.Upload(s.ctx(), v)
	require.NoError(s.t, err)
	return w.Image
}

// count counts the rows of a table.
func (r *room) count(table string) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM "+table))
	return n
}

// settle gives the events so far their places in the log, as the relay does.
func (r *room) settle() {
	r.t.Helper()
	for n := -1; n != 0; {
		var err error
		n, err = r.log.Position(r.t.Context(), 1000)
		require.NoError(r.t, err)
	}
}

// events gives what the log has behind a place, each as "audience type object state".
func (r *room) events(after event.Cursor) []string {
	r.t.Helper()
	r.settle()
	all, err := r.log.Read(r.t.Context(), event.Filter{After: after.Position, Limit: 1000})
	require.NoError(r.t, err)
	texts := make([]string, len(all))
	for i, e := range all {
		texts[i] = strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Audience, e.Type, e.Object, e.State))
	}
	return texts
}

func ptr[T any](v T) *T { return &v }

// refused tells that an error has a code, and is about an argument.
func refused(t testing.TB, err error, code apperr.Code, path ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, apperr.CodeOf(err), "%v", err)
	if len(path) > 0 {
		require.Equal(t, path, apperr.List(err)[0].Path)
	}
}
