package dialog_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/event"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const owner, stranger = "user_owner", "user_stranger"

// room is the service on a database of the test's own.
type room struct {
	*dialog.Service
	t     testing.TB
	store *store.Store
	log   *event.Log
	wakes atomic.Int64
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newRoom(t, s, dialog.Config{})) })
}

func newRoom(t testing.TB, s *store.Store, cfg dialog.Config) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	r := &room{t: t, store: s, log: log}
	log.OnCommit(func() { r.wakes.Add(1) })
	r.Service = dialog.New(s, log, audit.New(s, 0, nil), cfg)
	return r
}

// key is the context of a key with all scopes, or with those named.
func key(t testing.TB, owner string, scopes ...auth.Scope) context.Context {
	if len(scopes) == 0 {
		scopes = auth.AllScopes()
	}
	return auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_of_" + owner, Scopes: auth.ScopesOf(scopes...)})
}

// person is somebody who is signed in.
func person(t testing.TB, role auth.Role, id ...string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: append(id, "user_"+string(role))[0], Role: role, Session: "s"})
}

func analyst(t testing.TB) context.Context { return person(t, auth.RoleAnalyst) }
func admin(t testing.TB) context.Context   { return person(t, auth.RoleAdmin) }
func system(t testing.TB) context.Context  { return auth.System(t.Context(), "test") }

func ptr[T any](v T) *T { return &v }

func dec[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

func input(customer, number int64, text string) dialog.PushInput {
	return dialog.PushInput{CustomerID: dialog.Number(dec(customer)), DialogID: dialog.Number(dec(number)), Text: text, Language: "en"}
}

func (r *room) push(number int64, text string) *dialog.Dialog {
	return r.pushFor(1, number, text, "en")
}

func (r *room) pushFor(customer, number int64, text, language string) *dialog.Dialog {
	r.t.Helper()
	in := input(customer, number, text)
	in.Language = dialog.Language(language)
	d, err := r.Push(key(r.t, owner), in)
	require.NoError(r.t, err)
	return d
}

func (r *room) say(number int64, text string) *dialog.Message {
	r.t.Helper()
	m, err := r.AddMessage(key(r.t, owner), dialog.MessageInput{DialogID: dec(number), Text: text})
	require.NoError(r.t, err)
	return m
}

func (r *room) consent(number int64, approved bool) (*dialog.Consent, error) {
	return r.SetConsent(key(r.t, owner), dialog.ConsentInput{DialogID: dec(number), Approved: approved})
}

func (r *room) agree(number int64) *dialog.Consent {
	r.t.Helper()
	c, err := r.consent(number, true)
	require.NoError(r.t, err)
	return c
}

func (r *room) withdraw(number int64) *dialog.Consent {
	r.t.Helper()
	c, err := r.consent(number, false)
	require.NoError(r.t, err)
	return c
}

// approved pushes and agrees.
func (r *room) approved(number int64, text string) *dialog.Dialog {
	r.t.Helper()
	r.push(number, text)
	return r.agree(number).Dialog
}

func (r *room) list(f dialog.Filter, args page.Args) *page.Page[*dialog.Dialog] {
	r.t.Helper()
	p, err := r.List(analyst(r.t), f, args)
	require.NoError(r.t, err)
	return p
}

// listed gives the numbers of a page.
func listed(p *page.Page[*dialog.Dialog]) []int64 {
	list := []int64{}
	for _, e := range p.Edges {
		list = append(list, e.Node.DialogID)
	}
	return list
}

// count runs SELECT COUNT(*) FROM rest.
func (r *room) count(rest string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM "+rest, args...))
	return n
}

func (r *room) exec(query string, args ...any) {
	r.t.Helper()
	_, err := r.store.Exec(r.t.Context(), query, args...)
	require.NoError(r.t, err)
}

// position does the relay's work: it gives positions to what was committed.
func (r *room) position() {
	r.t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = r.log.Position(r.t.Context(), 1000)
		require.NoError(r.t, err)
	}
}

// events gives the log as "audience type object parent version state" behind a cursor.
func (r *room) events(after event.Cursor) []string {
	r.t.Helper()
	r.position()
	rows, err := r.log.Read(r.t.Context(), event.Filter{After: after.Position, Limit: 10_000})
	require.NoError(r.t, err)
	list := []string{}
	for _, e := range rows {
		list = append(list, describe(e))
	}
	return list
}

func describe(e event.Event) string {
	return fmt.Sprintf("%s %s/%s %s %s v%d %s", e.Audience, e.Topic, e.Type, e.Object, e.Parent, e.Version, e.State)
}

func (r *room) history(number int64) []string {
	r.t.Helper()
	changes, err := r.History(key(r.t, owner), dec(number))
	require.NoError(r.t, err)
	list := []string{}
	for _, c := range changes {
		list = append(list, string(c.State))
	}
	return list
}

// audited gives "reader action numbers" of each entry of the audit log, the
// oldest first.
func (r *room) audited() []string {
	r.t.Helper()
	list := []string{}
	require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error {
		var reader, action string
		var packed []byte
		err := rows.Scan(&reader, &action, &packed)
		entry := reader + " " + action
		for ; len(packed) >= 8; packed = packed[8:] {
			n := int64(0)
			for _, b := range packed[:8] {
				n = n<<8 | int64(b)
			}
			entry += " " + dec(n)
		}
		list = append(list, entry)
		return err
	}, "SELECT reader_id, action, dialogs FROM audit_entries ORDER BY created_at, id"))
	return list
}

// refused checks an error's code and path.
func refused(t testing.TB, err error, code apperr.Code, path ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, apperr.CodeOf(err), err)
	if len(path) > 0 {
		var paths [][]string
		for _, e := range apperr.List(err) {
			paths = append(paths, e.Path)
		}
		require.Contains(t, paths, path)
	}
}
