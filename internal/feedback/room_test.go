package feedback_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/event"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const (
	ann = "user_ann"
	bob = "user_bob"
)

// room is the service on a database of the test's own.
type room struct {
	*feedback.Service
	t     testing.TB
	store *store.Store
	log   *event.Log
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newRoom(t, s, feedback.Config{})) })
}

func newRoom(t testing.TB, s *store.Store, cfg feedback.Config) *room {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	tokens, err := auth.NewTokens([]byte(strings.Repeat("k", auth.MinKeyBytes)), 0)
	require.NoError(t, err)
	memory := cache.NewMemory(4 << 20)
	t.Cleanup(func() { _ = memory.Close() })
	return &room{feedback.New(s, log, tokens, memory, cfg), t, s, log}
}

func person(t testing.TB, id string, role ...auth.Role) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: id, Role: append(role, auth.RoleUser)[0], Session: "s"})
}

func analyst(t testing.TB) context.Context { return person(t, "user_analyst", auth.RoleAnalyst) }

func visitor(t testing.TB, id string) context.Context {
	return auth.WithVisitor(t.Context(), auth.Visitor{ID: id, Address: "192.0.2.1"})
}

func ptr[T any](v T) *T { return &v }

// sticker adds a public sticker, or a private one of an owner, and gives its id.
func (r *room) sticker(name string, owner ...string) string {
	r.t.Helper()
	id := store.NewID("stk")
	r.addSticker(id, name, owner...)
	return id
}

func (r *room) addSticker(id, name string, owner ...string) {
	r.t.Helper()
	ctx := auth.System(r.t.Context(), "test")
	require.NoError(r.t, r.store.Tx(ctx, func(ctx context.Context) error {
		c := r.store.Client(ctx).Sticker.Create().SetID(id).SetName(name).SetNameKey([]byte(strings.ToLower(name))).SetTags([]string{}).SetMediaID("m").SetVisibility("PUBLIC")
		if len(owner) > 0 {
			c.SetOwnerID(owner[0]).SetScope(owner[0]).SetVisibility("PRIVATE")
		}
		return c.Exec(ctx)
	}))
}

func item(query string, positive, negative []string) *feedback.Item {
	return &feedback.Item{Query: query, Positive: positive, Negative: negative}
}

// report reports items as one call that must not fail.
func (r *room) report(ctx context.Context, items ...*feedback.Item) []feedback.ItemResult {
	r.t.Helper()
	done, err := r.Report(ctx, feedback.ReportInput{Items: items})
	require.NoError(r.t, err)
	return done.Results
}

// vote reports one item none of whose stickers may be unknown.
func (r *room) vote(ctx context.Context, query string, positive, negative []string) {
	r.t.Helper()
	for _, one := range r.report(ctx, item(query, positive, negative)) {
		require.NoError(r.t, one.Err)
		require.Empty(r.t, one.Failed)
	}
}

// standing gives the votes on public stickers as "query/name +positives -negatives".
func (r *room) standing() []string {
	r.t.Helper()
	p, err := r.List(analyst(r.t), feedback.Filter{}, page.Args{First: ptr(100)})
	require.NoError(r.t, err)
	lines := []string{}
	for _, e := range p.Edges {
		f := e.Node
		lines = append(lines, fmt.Sprintf("%s/%s +%d -%d", f.Query.Text, f.Sticker.Name, f.Positives, f.Negatives))
	}
	return lines
}

// queries gives the listed queries as "text usage/empty", the most used first.
func (r *room) queries(f feedback.QueryFilter) []string {
	r.t.Helper()
	p, err := r.Queries(analyst(r.t), f, feedback.ByUsage, page.Args{First: ptr(100)})
	require.NoError(r.t, err)
	lines := []string{}
	for _, e := range p.Edges {
		lines = append(lines, fmt.Sprintf("%s %d/%d", e.Node.Text, e.Node.Usage, e.Node.Empty))
	}
	return lines
}

func (r *room) flush() {
	r.t.Helper()
	require.NoError(r.t, r.Flush(r.t.Context()))
}

// rows gives the number of rows of a table.
func (r *room) rows(table string) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM "+table))
	return n
}

// consistent checks that every count is that of the votes.
func (r *room) consistent() {
	r.t.Helper()
	for what, query := range map[string]string{
		"scores": `SELECT COUNT(*) FROM query_scores s WHERE
			positives <> (SELECT COUNT(*) FROM votes v WHERE v.query_id = s.query_id AND v.sticker_id = s.sticker_id AND v.value = 1) OR
			negatives <> (SELECT COUNT(*) FROM votes v WHERE v.query_id = s.query_id AND v.sticker_id = s.sticker_id AND v.value = -1) OR
			positives + negatives = 0 OR positives = 0 AND weight_pos <> 0 OR negatives = 0 AND weight_neg <> 0`,
		"totals": `SELECT COUNT(*) FROM search_queries q WHERE
			votes <> (SELECT COUNT(*) FROM votes v WHERE v.query_id = q.id) OR
			positives <> (SELECT COALESCE(SUM(positives), 0) FROM query_scores s WHERE s.query_id = q.id AND owner_id = '') OR
			negatives <> (SELECT COALESCE(SUM(negatives), 0) FROM query_scores s WHERE s.query_id = q.id AND owner_id = '')`,
		"votes": `SELECT COUNT(*) FROM votes v WHERE NOT EXISTS (SELECT 1 FROM query_scores s WHERE s.query_id = v.query_id AND s.sticker_id = v.sticker_id)`,
	} {
		wrong := -1
		require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&wrong) }, query))
		require.Zero(r.t, wrong, "wrong %s", what)
	}
}

func refused(t testing.TB, err error, code apperr.Code, path ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, apperr.CodeOf(err), "%v", err)
	if len(path) > 0 {
		require.Equal(t, path, apperr.List(err)[0].Path, "%v", err)
	}
}
