package dialog_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

type ctxt = context.Context

func TestAnalystsListWhatWasAgreedTo(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for n, d := range []struct {
			customer int64
			language string
		}{{1, "en"}, {1, "en-GB"}, {2, "en"}, {2, "es"}, {1, "EN"}, {1, "es"}} {
			r.pushFor(d.customer, int64(n), "text", d.language)
			if n < 5 {
				r.agree(int64(n))
			}
		}
		all := func(f dialog.Filter) []int64 { return listed(r.list(f, page.Args{})) }
		require.Equal(t, []int64{4, 3, 2, 1, 0}, all(dialog.Filter{}))
		require.Equal(t, []int64{4, 2, 0}, all(dialog.Filter{Language: ptr("en")}))
		require.Equal(t, []int64{1}, all(dialog.Filter{Language: ptr("en-GB")}))
		require.Equal(t, []int64{4, 1, 0}, all(dialog.Filter{CustomerID: ptr("1")}))
		require.Equal(t, []int64{2}, all(dialog.Filter{CustomerID: ptr("2"), Language: ptr("en")}))
		require.Empty(t, all(dialog.Filter{CustomerID: ptr("3")}))
		p := r.list(dialog.Filter{CustomerID: ptr("1")}, page.Args{First: ptr(1)})
		n, err := p.Count()
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.True(t, p.HasNext)
		d := p.Edges[0].Node
		require.True(t, d.Approved)
		require.Nil(t, d.ExpiresAt)
		require.Equal(t, "text", d.Text)

		last := r.list(dialog.Filter{}, page.Args{Last: ptr(2)})
		require.Equal(t, []int64{1, 0}, listed(last))
		require.True(t, last.HasPrevious)
		before := r.list(dialog.Filter{}, page.Args{Last: ptr(2), Before: &last.Edges[0].Cursor})
		require.Equal(t, []int64{3, 2}, listed(before))
		require.Empty(t, listed(r.list(dialog.Filter{}, page.Args{First: ptr(0)})))
		_, err = r.List(analyst(t), dialog.Filter{}, page.Args{First: ptr(101)})
		refused(t, err, apperr.BadInput, "first")
		_, err = r.List(analyst(t), dialog.Filter{}, page.Args{After: ptr("x")})
		refused(t, err, apperr.BadInput, "after")
	})
}

func TestOnlyAnalystsAndAdminsList(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.approved(1, "text")
		for _, ctx := range []ctxt{key(t, owner), person(t, auth.RoleService), person(t, auth.RoleUser)} {
			_, err := r.List(ctx, dialog.Filter{}, page.Args{})
			refused(t, err, apperr.Forbidden)
			_, err = r.Export(ctx, &strings.Builder{}, dialog.CSV, dialog.Filter{})
			refused(t, err, apperr.Forbidden)
		}
		_, err := r.List(t.Context(), dialog.Filter{}, page.Args{})
		refused(t, err, apperr.Unauthenticated)
		require.Empty(t, r.audited())
	})
}

func TestWhoSeesADialogByItself(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		pending, agreed := r.push(1, "text"), r.approved(2, "text")
		r.say(2, "more")
		r.say(1, "more")
		see := func(ctx ctxt, ids ...string) []string {
			found, err := r.ByID(ctx, ids)
			require.NoError(t, err)
			var list []string
			for _, id := range ids {
				if d := found[id]; d != nil {
					require.Equal(t, id, d.ID)
					list = append(list, id)
					got, err := r.Get(ctx, dec(d.DialogID))
					require.NoError(t, err)
					require.Equal(t, d, got)
				}
			}
			messages, err := r.Messages(ctx, ids)
			require.NoError(t, err)
			require.Len(t, messages, len(list))
			return list
		}
		ids := []string{pending.ID, agreed.ID, store.NewID("dlg"), store.NewID("note"), "", "x\x00"}
		require.Equal(t, []string{agreed.ID}, see(analyst(t), ids...))
		require.Equal(t, []string{agreed.ID}, see(admin(t), ids...))
		require.Equal(t, []string{pending.ID, agreed.ID}, see(key(t, owner, auth.ScopeDialogsPush), ids...))
		require.Equal(t, []string{pending.ID, agreed.ID}, see(person(t, auth.RoleService, owner), ids...))
		for _, ctx := range []ctxt{key(t, stranger), key(t, owner, auth.ScopeDialogsConsent, auth.ScopeDialogsErase), key(t, owner, auth.ScopePracticeRead), person(t, auth.RoleUser)} {
			require.Empty(t, see(ctx, ids...))
			_, err := r.Get(ctx, "2")
			refused(t, err, apperr.NotFound)
		}
		_, err := r.Get(analyst(t), "1")
		refused(t, err, apperr.NotFound)
		_, err = r.ByID(t.Context(), ids)
		refused(t, err, apperr.Unauthenticated)
	})
}

func TestReadingIsWrittenDownBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.approved(1, "text"), r.approved(2, "text")
		r.list(dialog.Filter{}, page.Args{})
		r.list(dialog.Filter{Language: ptr("xx")}, page.Args{})
		_, err := r.Get(admin(t), "2")
		require.NoError(t, err)
		_, err = r.Get(admin(t), "3")
		require.Error(t, err)
		_, err = r.ByID(analyst(t), []string{a.ID, store.NewID("dlg")})
		require.NoError(t, err)
		_, err = r.Get(key(t, owner), "2")
		require.NoError(t, err)
		_, err = r.ByID(key(t, owner), []string{b.ID})
		require.NoError(t, err)
		r.exported(analyst(t), dialog.CSV, dialog.Filter{})
		require.Equal(t, []string{
			"user_ANALYST LIST 2 1", "user_ADMIN READ 2", "user_ANALYST READ 1", owner + " READ 2", owner + " READ 2", "user_ANALYST EXPORT 2 1",
		}, r.audited(), "nothing found writes nothing")

		r.exec("ALTER TABLE audit_entries RENAME TO audit_entries_away")
		_, err = r.List(analyst(t), dialog.Filter{}, page.Args{})
		require.Error(t, err)
		_, err = r.Get(analyst(t), "1")
		require.Error(t, err)
		_, err = r.ByID(analyst(t), []string{a.ID})
		require.Error(t, err)
		var out strings.Builder
		_, err = r.Export(analyst(t), &out, dialog.CSV, dialog.Filter{})
		require.Error(t, err)
		require.Empty(t, out.String())
	})
}

// Pages come from the partial indexes, without sorting.
func TestPagesUseTheirIndexes(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.fill(20_000)
		both := " AND +language = ?"
		if r.store.Postgres() {
			both = " AND language = ?"
		}
		for _, test := range []struct {
			fixed  []string
			values []any
			rest   string
			args   []any
			index  string // or how its name begins
		}{
			{index: "dialog_approved "},
			{[]string{"language"}, []any{"es"}, "", nil, "dialog_approved_language "},
			{[]string{"customer_id"}, []any{7}, "", nil, "dialog_approved_customer "},
			{[]string{"customer_id"}, []any{7}, both, []any{"es"}, "dialog_approved_customer "},
		} {
			for _, span := range []page.Span{
				{Limit: 11}, {Limit: 101}, {Limit: 33},
				{Limit: 101, After: &page.Key{At: store.Now(), ID: "dlg_x"}},
				{Limit: 11, Before: &page.Key{At: store.Now(), ID: "dlg_x"}, Backward: true},
			} {
				end, args := span.SQL(page.Index{Fixed: test.fixed, Time: "created_at", ID: "id", Closed: test.rest != ""}, test.values, test.args)
				plan := r.explain("SELECT * FROM dialogs WHERE approved"+test.rest+end, args...)
				require.Contains(t, plan, test.index)
				for _, slow := range []string{"Sort", "TEMP B-TREE", "Seq Scan"} {
					require.NotContains(t, plan, slow)
				}
			}
		}
	})
}

// explain gives the plan of a query, on Postgres the one that is kept for all
// arguments.
func (r *room) explain(query string, args ...any) string {
	r.t.Helper()
	var plan strings.Builder
	if !r.store.Postgres() {
		require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error {
			var a, b, c int
			var line string
			err := rows.Scan(&a, &b, &c, &line)
			plan.WriteString(line + " \n")
			return err
		}, "EXPLAIN QUERY PLAN "+query, args...))
		return plan.String()
	}
	literals := make([]string, len(args))
	for i, arg := range args {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", i+1), 1)
		switch v := arg.(type) {
		case time.Time:
			literals[i] = "'" + v.Format(time.RFC3339Nano) + "'"
		case []string:
			literals[i] = "'{" + strings.Join(v, ",") + "}'"
		default:
			literals[i] = fmt.Sprintf("'%v'", v)
		}
	}
	values := ""
	if len(args) > 0 {
		values = " (" + strings.Join(literals, ", ") + ")"
	}
	require.NoError(r.t, r.store.Tx(r.t.Context(), func(ctx context.Context) error {
		for _, statement := range []string{"SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE explained AS " + query} {
			if _, err := r.store.Exec(ctx, statement); err != nil {
				return err
			}
		}
		if err := r.store.Query(ctx, func(rows *sql.Rows) error {
			var line string
			err := rows.Scan(&line)
			plan.WriteString(line + " \n")
			return err
		}, "EXPLAIN EXECUTE explained"+values); err != nil {
			return err
		}
		_, err := r.store.Exec(ctx, "DEALLOCATE explained")
		return err
	}))
	return plan.String()
}

func TestEverythingElseUsesIndexesToo(t *testing.T) {
	t.Parallel()
	r := newRoom(t, dbtest.Open(t, dbtest.Postgres(t)), dialog.Config{})
	r.fill(20_000)
	for query, args := range map[string][]any{
		"SELECT id FROM dialogs WHERE dialog_id = ANY(?) ORDER BY dialog_id FOR UPDATE":                      {[]string{"1", "2"}},
		"SELECT id FROM dialog_tombstones WHERE id = ANY(?)":                                                 {[]string{"1", "2"}},
		"SELECT dialog_id FROM dialogs WHERE NOT approved AND created_at <= ? ORDER BY created_at LIMIT 100": {store.Now()},
	} {
		require.NotContains(t, r.explain(query, args...), "Seq Scan on dialogs", query)
	}
}

// Planning a page of ten takes longer than reading it.
func TestPostgresKeepsThePlansOfShortPages(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{URL: dbtest.Postgres(t), MaxConns: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	r := newRoom(t, s, dialog.Config{})
	r.fill(100_000)
	for _, f := range []dialog.Filter{{}, {Language: ptr("es")}, {CustomerID: ptr("7")}} {
		args := page.Args{First: ptr(10)}
		for range 20 {
			p := r.list(f, args)
			require.Len(t, p.Edges, 10)
			args.After = &p.Edges[9].Cursor
		}
	}
	statements := 0
	require.NoError(t, s.Query(t.Context(), func(rows *sql.Rows) error {
		var query string
		var kept, fresh int
		err := rows.Scan(&query, &kept, &fresh)
		statements++
		require.LessOrEqual(t, fresh, 5, query)
		return err
	}, "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%LIMIT 11'"))
	require.Equal(t, 4, statements)
}

func TestAListEndsWithItsLanguageAndCustomer(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for n, language := range []string{"de", "en", "es", "de", "en", "es"} {
			r.pushFor(int64(n/3), int64(n), "text", language)
			r.agree(int64(n))
		}
		for _, args := range []page.Args{{}, {Last: ptr(100)}, {First: ptr(2)}, {Last: ptr(2)}} {
			p := r.list(dialog.Filter{Language: ptr("en")}, args)
			require.Equal(t, []int64{4, 1}, listed(p))
			require.False(t, p.HasNext || p.HasPrevious)
			require.Equal(t, []int64{1}, listed(r.list(dialog.Filter{Language: ptr("en"), CustomerID: ptr("0")}, args)))
			n, err := p.Count()
			require.NoError(t, err)
			require.Equal(t, 2, n)
		}
		require.Equal(t, []int64{2, 1, 0}, listed(r.list(dialog.Filter{CustomerID: ptr("0")}, page.Args{})))
		require.Equal(t, []int64{5, 4, 3}, listed(r.list(dialog.Filter{CustomerID: ptr("1")}, page.Args{Last: ptr(5)})))
		p := r.list(dialog.Filter{Language: ptr("en")}, page.Args{First: ptr(1)})
		require.True(t, p.HasNext)
		p = r.list(dialog.Filter{Language: ptr("en")}, page.Args{First: ptr(1), After: &p.Edges[0].Cursor})
		require.Equal(t, []int64{1}, listed(p))
		require.False(t, p.HasNext)
	})
}
