package audit_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

func TestEntrySaysWhoReadWhat(t *testing.T) {
	onLog(t, func(t *testing.T, _ *store.Store, l *audit.Log) {
		key := auth.With(t.Context(), auth.Viewer{ID: "user_owner", Role: auth.RoleService, Key: "key_1"})
		begun := store.Now()
		require.NoError(t, l.Write(as(t, "user_analyst", auth.RoleAnalyst), audit.List, []int64{7, 0, math.MaxInt64}))
		require.NoError(t, l.Write(key, audit.Read, []int64{1 << 40}))
		require.NoError(t, l.Write(system(t), audit.Export, []int64{5, 5}))

		got := list(t, l, audit.Filter{}, page.Args{})
		require.Len(t, got, 3)
		for _, e := range got {
			prefix, ok := store.Prefix(e.ID)
			require.True(t, ok)
			require.Equal(t, "aud", prefix)
			require.False(t, e.At.Before(begun))
			require.False(t, e.At.After(store.Now()))
			require.Equal(t, time.UTC, e.At.Location())
			e.ID, e.At = "", time.Time{}
		}
		require.ElementsMatch(t, []*audit.Entry{
			{ReaderID: ptr("user_analyst"), Action: audit.List, DialogIDs: []int64{7, 0, math.MaxInt64}},
			{ReaderID: ptr("user_owner"), KeyID: ptr("key_1"), Action: audit.Read, DialogIDs: []int64{1 << 40}},
			{Action: audit.Export, DialogIDs: []int64{5, 5}},
		}, got)
	})
}

func TestNobodyReadsWithoutANameOrInAnUnknownWay(t *testing.T) {
	onLog(t, func(t *testing.T, s *store.Store, l *audit.Log) {
		require.True(t, apperr.Is(l.Write(t.Context(), audit.Read, []int64{1}), apperr.Unauthenticated))
		expired := apperr.New(apperr.Unauthenticated, "The token is over.")
		require.ErrorIs(t, l.Write(auth.Refused(t.Context(), expired), audit.Read, []int64{1}), expired)
		require.ErrorContains(t, l.Write(asAdmin(t), "PEEK", []int64{1}), "no action")
		err := s.Tx(asAdmin(t), func(ctx context.Context) error { return l.Write(ctx, audit.Read, []int64{1}) })
		require.ErrorContains(t, err, "inside a transaction")
		require.Empty(t, list(t, l, audit.Filter{}, page.Args{}))
	})
}

func TestManyNumbersAreSpreadOverEntries(t *testing.T) {
	onLog(t, func(t *testing.T, _ *store.Store, l *audit.Log) {
		ctx := asAdmin(t)
		require.NoError(t, l.Write(ctx, audit.List, nil))
		require.NoError(t, l.Write(ctx, audit.List, []int64{}))
		require.Zero(t, count(t, l, audit.Filter{}), "reading nothing is no reading")

		all := numbers(0, 2500)
		require.NoError(t, l.Write(ctx, audit.Export, all))
		got := list(t, l, audit.Filter{}, page.Args{})
		slices.Reverse(got)
		var read []int64
		var sizes []int
		for _, e := range got {
			require.Equal(t, got[0].At, e.At)
			read, sizes = append(read, e.DialogIDs...), append(sizes, len(e.DialogIDs))
		}
		require.Equal(t, []int{1000, 1000, 500}, sizes)
		require.Equal(t, all, read)
	})
}

func TestEntriesOfConcurrentReadersAreCommittedWhenWriteReturns(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		s, other := dbtest.Open(t, url), dbtest.Open(t, url)
		var transactions, rows atomic.Int64
		l := audit.New(s, time.Hour, func(f batch.Flush) {
			transactions.Add(1)
			rows.Add(int64(f.Items))
		})
		elsewhere := audit.New(other, time.Hour, nil)
		const readers, readings = 24, 20
		ids := make([]string, readers)
		var group sync.WaitGroup
		for i := range readers {
			ids[i] = store.NewID("user")
			group.Go(func() {
				for n := range int64(readings) {
					if err := l.Write(as(t, ids[i], auth.RoleAnalyst), audit.Read, []int64{int64(i), n}); err != nil {
						t.Error(err)
						return
					}
					p, err := elsewhere.List(asAdmin(t), audit.Filter{ReaderID: &ids[i]}, page.Args{First: ptr(1)})
					if err != nil || len(p.Edges) != 1 || !slices.Equal(p.Edges[0].Node.DialogIDs, []int64{int64(i), n}) {
						t.Errorf("the newest entry elsewhere is %+v, %v; want %d", p, err, n)
						return
					}
				}
			})
		}
		group.Wait()
		require.Equal(t, readers*readings, count(t, elsewhere, audit.Filter{}))
		for i := range ids {
			for n, e := range list(t, elsewhere, audit.Filter{ReaderID: &ids[i]}, page.Args{Last: ptr(readings)}) {
				require.Equal(t, []int64{int64(i), int64(readings - 1 - n)}, e.DialogIDs)
			}
		}
		require.Equal(t, int64(readers*readings), rows.Load(), "every transaction is observed")
		require.Less(t, transactions.Load(), rows.Load(), "readers share transactions")
		require.Zero(t, l.Waiting())
	})
}

func TestNothingIsReadWhileSQLiteCannotWrite(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.SQLite(t))
	l := audit.New(s, time.Hour, nil)
	pages := func(most int) {
		t.Helper()
		_, err := s.DB().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", most))
		require.NoError(t, err)
	}
	pages(1) // fails as a full disk does
	err := l.Write(asAdmin(t), audit.Read, numbers(0, 200_000))
	refused(t, err, apperr.Unavailable)
	require.ErrorContains(t, err, "disk is full")
	require.Contains(t, apperr.List(err)[0].Message, "No dialogs are shown")
	require.Zero(t, count(t, l, audit.Filter{}), "all of a call or nothing")
	pages(1 << 30)
	require.NoError(t, l.Write(asAdmin(t), audit.Read, []int64{1}))
	require.Equal(t, 1, count(t, l, audit.Filter{}))
}

func TestNothingIsReadWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	l := audit.New(s, time.Hour, nil)
	require.NoError(t, l.Write(asAdmin(t), audit.Read, []int64{1}))
	require.NoError(t, server.Kill())
	refused(t, l.Write(asAdmin(t), audit.Read, []int64{2}), apperr.Unavailable)
	_, err = l.List(asAdmin(t), audit.Filter{}, page.Args{})
	require.True(t, apperr.Is(err, apperr.Unavailable), "%v", err)
	_, err = l.Forget(t.Context())
	require.True(t, apperr.Is(err, apperr.Unavailable), "%v", err)
	require.NoError(t, server.Restart(t.Context()))
	require.NoError(t, l.Write(asAdmin(t), audit.Read, []int64{3}))
	got := list(t, l, audit.Filter{}, page.Args{})
	require.Len(t, got, 2)
	require.Equal(t, []int64{3}, got[0].DialogIDs)
	require.Equal(t, []int64{1}, got[1].DialogIDs)
}

func TestReadingThatHasEndedIsNotWrittenDown(t *testing.T) {
	onLog(t, func(t *testing.T, _ *store.Store, l *audit.Log) {
		gone, cancel := context.WithCancel(asAdmin(t))
		cancel()
		require.ErrorIs(t, l.Write(gone, audit.Read, []int64{1}), context.Canceled)
		late, cancel := context.WithDeadline(asAdmin(t), time.Unix(0, 0))
		defer cancel()
		refused(t, l.Write(late, audit.Read, []int64{1}), apperr.Timeout)
		require.Zero(t, count(t, l, audit.Filter{}))
	})
}

func TestTooManyReadersAreToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.SQLite(t))
	l := audit.New(s, time.Hour, nil)
	// The only connection that writes is taken until the test has its answer.
	conn, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	const full = 10_000
	done := make(chan error, 2)
	write := func(entries int64) { done <- l.Write(asAdmin(t), audit.Read, numbers(0, entries*1000)) }
	go write(1)
	// database/sql and the log count who waits, and tell nobody.
	until := func(what func() bool) { require.Eventually(t, what, 30*time.Second, time.Millisecond) }
	until(func() bool { return s.DB().Stats().WaitCount > 0 }) // its transaction waits for the connection
	go write(full)
	until(func() bool { return l.Waiting() == full })
	err = l.Write(asAdmin(t), audit.Read, []int64{1})
	refused(t, err, apperr.Unavailable)
	require.Positive(t, apperr.List(err)[0].RetryAfter)
	require.NoError(t, conn.Close())
	for range cap(done) {
		require.NoError(t, <-done)
	}
	require.Equal(t, 1+full, count(t, l, audit.Filter{}))
}
