package audit_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/auditentry"
	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// onLog runs a test on SQLite and on Postgres, with a log that keeps an hour.
func onLog(t *testing.T, test func(t *testing.T, s *store.Store, l *audit.Log)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, s, audit.New(s, time.Hour, nil)) })
}

func as(t testing.TB, id string, role auth.Role) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: id, Role: role})
}

func asAdmin(t testing.TB) context.Context { return as(t, "user_admin", auth.RoleAdmin) }

func system(t testing.TB) context.Context { return auth.System(t.Context(), "test") }

func ptr[T any](v T) *T { return &v }

// numbers gives n numbers from first on.
func numbers(first, n int64) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = first + int64(i)
	}
	return list
}

// plant writes an entry of a time past the log.
func plant(t testing.TB, s *store.Store, at time.Time, reader string, dialogs ...int64) {
	t.Helper()
	require.NoError(t, s.Tx(system(t), func(ctx context.Context) error {
		return planted(s.Client(ctx), at, reader, dialogs...).Exec(ctx)
	}))
}

func planted(c *gen.Client, at time.Time, reader string, dialogs ...int64) *gen.AuditEntryCreate {
	packed := []byte{}
	for _, n := range dialogs {
		packed = binary.BigEndian.AppendUint64(packed, uint64(n))
	}
	return c.AuditEntry.Create().SetID(store.NewID("aud")).SetCreatedAt(at).SetReaderID(reader).
		SetAction(auditentry.ActionLIST).SetDialogs(packed)
}

// list gives the nodes of a page for an admin.
func list(t testing.TB, l *audit.Log, f audit.Filter, args page.Args) []*audit.Entry {
	t.Helper()
	p, err := l.List(asAdmin(t), f, args)
	require.NoError(t, err)
	return nodes(p)
}

func nodes(p *page.Page[*audit.Entry]) (all []*audit.Entry) {
	for _, e := range p.Edges {
		all = append(all, e.Node)
	}
	return all
}

func count(t testing.TB, l *audit.Log, f audit.Filter) int {
	t.Helper()
	p, err := l.List(asAdmin(t), f, page.Args{First: ptr(0)})
	require.NoError(t, err)
	n, err := p.Count()
	require.NoError(t, err)
	return n
}

// refused asserts that an error has the code and blames the argument.
func refused(t *testing.T, err error, code apperr.Code, path ...string) {
	t.Helper()
	all := apperr.List(err)
	require.NotEmpty(t, all, "%v", err)
	require.Equal(t, code, all[0].Code, "%v", err)
	require.Equal(t, path, all[0].Path)
}
