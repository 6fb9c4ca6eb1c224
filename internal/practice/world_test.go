package practice_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/event"
	"parley/internal/practice"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// world is the practice service on one database.
type world struct {
	*practice.Service
	t     testing.TB
	store *store.Store
}

func newWorld(t testing.TB, s *store.Store) *world { return watchedWorld(t, s, nil) }

func watchedWorld(t testing.TB, s *store.Store, observe func(batch.Flush)) *world {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	return &world{practice.New(s, log, observe), t, s}
}

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newWorld(t, s)) })
}

// person gives the context of a signed-in user.
func person(t testing.TB, id string) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: id, Role: auth.RoleUser, Session: "session"})
}

func admin(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: "user_admin", Role: auth.RoleAdmin, Session: "session"})
}

// key gives the context of an API key of an account, with both scopes of
// practice unless others are named.
func key(t testing.TB, owner string, scopes ...auth.Scope) context.Context {
	if scopes == nil {
		scopes = []auth.Scope{auth.ScopePracticeRecord, auth.ScopePracticeRead}
	}
	return auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_of_" + owner, Scopes: auth.ScopesOf(scopes...)})
}

func ptr[T any](v T) *T { return &v }

// start begins a conversation; externalID is "" for a person.
func (w *world) start(ctx context.Context, externalID string) *gen.Conversation {
	w.t.Helper()
	var in practice.StartInput
	if externalID != "" {
		in.ExternalID = &externalID
	}
	c, err := w.Start(ctx, in)
	require.NoError(w.t, err)
	return c
}

// say adds an utterance to a conversation.
func (w *world) say(ctx context.Context, c *gen.Conversation, text string) *gen.Utterance {
	w.t.Helper()
	u, err := w.AddUtterance(ctx, practice.UtteranceInput{ConversationID: c.ID, Text: text})
	require.NoError(w.t, err)
	return u
}

// utterance is an utterance in a conversation of its own.
func (w *world) utterance(ctx context.Context, externalID string) *gen.Utterance {
	w.t.Helper()
	return w.say(ctx, w.start(ctx, externalID), "I goed home yesterday")
}

// item is an error of an utterance.
func item(u *gen.Utterance, clientKey string, index int, category, subcategory string) *practice.ErrorInput {
	return &practice.ErrorInput{UtteranceID: u.ID, ClientKey: clientKey, Index: index, Category: category, Subcategory: subcategory}
}

// record records errors none of which may be refused.
func (w *world) record(ctx context.Context, items ...*practice.ErrorInput) []practice.Result {
	w.t.Helper()
	results, err := w.RecordErrors(ctx, items)
	require.NoError(w.t, err)
	for _, r := range results {
		require.NoError(w.t, r.Err)
		require.NotEmpty(w.t, r.ErrorID)
	}
	return results
}

// top gives the exercise of 100 as "category/subcategory frequency".
func (w *world) top(ctx context.Context, externalID string) []string {
	w.t.Helper()
	list, err := w.Exercise(ctx, optional(externalID), practice.MaxTop, nil)
	require.NoError(w.t, err)
	return lines(list)
}

func optional(externalID string) *string {
	if externalID == "" {
		return nil
	}
	return &externalID
}

func lines(list []*practice.Frequency) []string {
	lines := []string{}
	for _, f := range list {
		lines = append(lines, fmt.Sprintf("%s/%s %d", f.Category, f.Subcategory, f.Frequency))
	}
	return lines
}

// refused checks the first error's code and, where one is given, its path.
func refused(t testing.TB, err error, code apperr.Code, path ...string) {
	t.Helper()
	require.Equal(t, code, apperr.CodeOf(err), "%v", err)
	require.Error(t, err)
	if len(path) > 0 {
		require.Equal(t, path, apperr.List(err)[0].Path, "%v", err)
	}
}

// count gives the number of rows of a table.
func (w *world) count(table string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.store.Query(w.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM "+table))
	return n
}
