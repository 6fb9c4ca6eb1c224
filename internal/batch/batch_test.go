package batch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/batch"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func rowsOf(ids ...string) (rows []row) {
	for i, id := range ids {
		rows = append(rows, row{id: id, size: int64(i)})
	}
	return rows
}

func TestCallsThatArriveDuringATransactionShareTheNext(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g, told := newGate(t, s), &flushes{}
		w := batch.New(s, batch.Config[row, int64]{Name: "rows", Writers: 1, Commit: g.commit, Observe: told.observe})
		first := begin(t.Context(), w, rowsOf("first")...)
		require.Equal(t, []string{"first"}, g.next())
		var ids []string
		for i := range 50 {
			ids = append(ids, fmt.Sprint(i))
		}
		rest := line(t, w, ids...)
		g.open()
		receive(t, first).ok(t)
		require.Equal(t, ids, g.next(), "in the order of arrival")
		g.open()
		for _, later := range rest {
			receive(t, later).ok(t)
		}
		require.Equal(t, once(append(ids, "first")...), stored(t, s))

		all := told.list()
		require.Len(t, all, 2)
		for i, want := range []int{1, 50} {
			f := all[i]
			require.Equal(t, "rows", f.Name)
			require.Equal(t, want, f.Items)
			require.Equal(t, want, f.Calls)
			require.NoError(t, f.Err)
			require.Positive(t, f.Took)
			require.Positive(t, f.Waited)
		}
	})
}

func TestCallReturnsWhenItsRowsCanBeReadByOthers(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		s, other := dbtest.Open(t, url), dbtest.Open(t, url)
		createRows(t, s)
		w := batch.New(s, batch.Config[row, int64]{Commit: inserting(s)})
		done := make(chan error, 8)
		for i := range cap(done) {
			go func() {
				for n := range 25 {
					id := fmt.Sprintf("%d-%d", i, n)
					results, err := w.Do(t.Context(), row{id: id, size: int64(n)})
					if err == nil && (len(results) != 1 || results[0] != batch.Result[int64]{Value: int64(n)}) {
						err = fmt.Errorf("%s was answered %v", id, results)
					}
					if err == nil && stored(t, other)[id] != 1 {
						err = fmt.Errorf("%s was acknowledged and is not there", id)
					}
					if err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range cap(done) {
			require.NoError(t, receive(t, done))
		}
	})
}

func TestItemsReachCommitInTheOrderOfTheirKeys(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{
			Writers: 1, Commit: g.commit, Key: func(r row) string { key, _, _ := strings.Cut(r.id, ":"); return key },
		})
		first := begin(t.Context(), w, rowsOf("b:1", "a:1", "b:0", "a:0")...)
		require.Equal(t, []string{"a:1", "a:0", "b:1", "b:0"}, g.next(), "equal keys stay in order")
		second := begin(t.Context(), w, rowsOf("c:1", "b:1")...)
		until(t, w, 2)
		third := begin(t.Context(), w, rowsOf("b:0", "a:0", "c:0")...)
		until(t, w, 5)
		g.open()
		require.Equal(t, []string{"a:0", "b:1", "b:0", "c:1", "c:0"}, g.next(), "and calls in the order of arrival")
		g.open()
		for later, n := range map[<-chan answer]int{first: 4, second: 2, third: 3} {
			a := receive(t, later)
			a.ok(t)
			for i := range n {
				require.Equal(t, int64(i), a.results[i].Value, "each result is its own item's")
			}
		}
	})
}

func TestTransactionHasAtMostMaxItemsAndWholeCalls(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g, told := newGate(t, s), &flushes{}
		w := batch.New(s, batch.Config[row, int64]{Writers: 1, MaxItems: 4, Commit: g.commit, Observe: told.observe})
		calls := [][]string{{"first"}, {"a1", "a2"}, {"b1", "b2", "b3"}, {"c1"}, {"d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"}, {"e1", "e2", "e3"}}
		var later []<-chan answer
		waiting := 0
		for i, ids := range calls {
			later = append(later, begin(t.Context(), w, rowsOf(ids...)...))
			if i == 0 {
				require.Equal(t, ids, g.next())
				continue
			}
			waiting += len(ids)
			until(t, w, waiting)
		}
		for _, want := range [][]string{
			{"a1", "a2"}, {"b1", "b2", "b3", "c1"}, // a call is kept whole
			{"d1", "d2", "d3", "d4"}, {"d5", "d6", "d7", "d8"}, // unless it has to be cut
			{"d9", "e1", "e2", "e3"},
		} {
			g.open()
			require.Equal(t, want, g.next())
		}
		g.open()
		for i, ids := range calls {
			a := receive(t, later[i])
			a.ok(t)
			require.Equal(t, sizes(rowsOf(ids...)), a.results)
		}
		var counts []int
		for _, f := range told.list() {
			counts = append(counts, f.Calls)
		}
		require.Equal(t, []int{1, 1, 2, 1, 1, 2}, counts)
		require.Zero(t, w.Waiting())
	})
}

func TestPostgresHasAsManyTransactionsAtATimeAsWriters(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		writers := 3
		if !s.Postgres() {
			writers = 1
		}
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{Writers: 3, MaxItems: 1, Commit: g.commit})
		var later []<-chan answer
		for i := range writers {
			later = append(later, begin(t.Context(), w, rowsOf(fmt.Sprint(i))...))
			require.Equal(t, []string{fmt.Sprint(i)}, g.next())
		}
		later = append(later, line(t, w, "x", "y", "z")...)
		require.Empty(t, g.shown)
		for range later {
			g.open()
		}
		for _, one := range later {
			receive(t, one).ok(t)
		}
		require.Len(t, stored(t, s), len(later))
	})
}

func TestWhatATransactionLeavesIsTakenByAFreeWriter(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	createRows(t, s)
	g := newGate(t, s)
	w := batch.New(s, batch.Config[row, int64]{Writers: 2, MaxItems: 2, MaxDelay: time.Hour, Commit: g.commit})
	first := line(t, w, "a")[0]
	second := begin(t.Context(), w, rowsOf("b", "c")...)
	taken := [][]string{g.next(), g.next()} // before any has ended
	require.ElementsMatch(t, [][]string{{"a"}, {"b", "c"}}, taken)
	g.open()
	g.open()
	receive(t, first).ok(t)
	receive(t, second).ok(t)
}

func TestFirstItemWaitsForCompanyUntilATransactionIsFull(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		told := &flushes{}
		w := batch.New(s, batch.Config[row, int64]{MaxDelay: time.Hour, MaxItems: 3, Commit: inserting(s), Observe: told.observe})
		for range 3 {
			later := line(t, w, "a", "b")
			later = append(later, begin(t.Context(), w, row{id: "c"}))
			for _, one := range later {
				receive(t, one).ok(t)
			}
		}
		// A call that ends while it waits leaves no goroutine behind; TestMain looks.
		ctx, cancel := context.WithCancel(t.Context())
		gone := begin(ctx, w, row{id: "d"})
		until(t, w, 1)
		cancel()
		require.ErrorIs(t, receive(t, gone).err, context.Canceled)
		for _, f := range told.list() {
			require.Equal(t, 3, f.Items)
			require.Equal(t, 3, f.Calls)
		}
		require.Equal(t, map[string]int{"a": 3, "b": 3, "c": 3}, stored(t, s))
	})
}

func TestFirstItemWaitsNoLongerThanMaxDelay(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		told := &flushes{}
		w := batch.New(s, batch.Config[row, int64]{MaxDelay: 50 * time.Millisecond, Commit: inserting(s), Observe: told.observe})
		receive(t, begin(t.Context(), w, row{id: "a"})).ok(t)
		require.GreaterOrEqual(t, told.list()[0].Waited, 50*time.Millisecond)
	})
}

func TestEmptyCallReturnsAtOnce(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		w := batch.New(s, batch.Config[row, int64]{MaxDelay: time.Hour})
		results, err := w.Do(t.Context())
		require.NoError(t, err)
		require.Empty(t, results)
	})
}

func TestCallInsideATransactionIsRefused(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		w := batch.New(s, batch.Config[row, int64]{Name: "rows", Commit: inserting(s)})
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			_, err := w.Do(ctx, row{id: "a"})
			return err
		})
		require.ErrorContains(t, err, "rows: a call inside a transaction")
		require.Empty(t, stored(t, s))
	})
}
