package batch_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/batch"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// counting is a Writer that adds 1 to the counter of each name, row by row, and
// answers with the new sum. A second transaction that takes the rows in another
// order would soon be locked out.
func counting(s *store.Store, cfg batch.Config[string, int64], ran *atomic.Int64) *batch.Writer[string, int64] {
	cfg.Key = func(name string) string { return name }
	cfg.Commit = func(ctx context.Context, names []string) ([]batch.Result[int64], error) {
		ran.Add(1)
		results := make([]batch.Result[int64], len(names))
		for at := 0; at < len(names); {
			name, n := names[at], 0
			for at+n < len(names) && names[at+n] == name {
				n++
			}
			var sum int64
			if err := s.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&sum) },
				"INSERT INTO counts_of_a_test (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = counts_of_a_test.n + excluded.n RETURNING n", name, n); err != nil {
				return nil, err
			}
			for i := range n {
				results[at+i].Value = sum - int64(n) + int64(i) + 1
			}
			at += n
		}
		return results, nil
	}
	return batch.New(s, cfg)
}

func createCounts(t *testing.T, s *store.Store) {
	t.Helper()
	_, err := s.Exec(t.Context(), "CREATE TABLE counts_of_a_test (name TEXT PRIMARY KEY, n BIGINT NOT NULL)")
	require.NoError(t, err)
}

func counts(t *testing.T, s *store.Store) map[string]int64 {
	t.Helper()
	sums := map[string]int64{}
	require.NoError(t, s.Query(t.Context(), func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		sums[name] = n
		return err
	}, "SELECT name, n FROM counts_of_a_test"))
	return sums
}

func TestTransactionsOfOppositeOrderDoNotLockEachOtherOut(t *testing.T) {
	t.Parallel()
	url := dbtest.Postgres(t)
	a, b := dbtest.Open(t, url), dbtest.Open(t, url)
	createCounts(t, a)
	const calls, size = 40, 20
	var names []string
	for i := range size {
		names = append(names, fmt.Sprintf("%02d", i))
	}
	var ran atomic.Int64
	told := &flushes{}
	cfg := batch.Config[string, int64]{MaxItems: size, Writers: 2, Observe: told.observe}
	var callers sync.WaitGroup
	for i, w := range []*batch.Writer[string, int64]{counting(a, cfg, &ran), counting(b, cfg, &ran)} {
		order := slices.Clone(names)
		if i == 1 {
			slices.Reverse(order)
		}
		for range 4 {
			callers.Go(func() {
				for range calls {
					results, err := w.Do(t.Context(), order...)
					if err != nil {
						t.Error(err)
						return
					}
					for _, r := range results {
						assert.NoError(t, r.Err)
					}
				}
			})
		}
	}
	callers.Wait()
	sums := counts(t, a)
	require.Len(t, sums, size)
	for name, n := range sums {
		require.Equal(t, int64(8*calls), n, name)
	}
	require.Len(t, told.list(), int(ran.Load()), "the store never had to repeat one")
}

func TestSumsOfAHundredConcurrentWritersAreExact(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		s := dbtest.Open(t, url)
		createCounts(t, s)
		var ran atomic.Int64
		writers := []*batch.Writer[string, int64]{counting(s, batch.Config[string, int64]{}, &ran)}
		if s.Postgres() { // as two API processes have
			writers = append(writers, counting(dbtest.Open(t, url), batch.Config[string, int64]{}, &ran))
		}
		const callers, each, names = 100, 1000, 7
		var mu sync.Mutex
		seen := map[string]map[int64]bool{}
		for i := range names {
			seen[fmt.Sprint(i)] = map[int64]bool{}
		}
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				for n := 0; n < each; {
					items := make([]string, min(1+(i+n)%20, each-n))
					for k := range items {
						items[k] = fmt.Sprint((i + n + k*k) % names)
					}
					n += len(items)
					results, err := writers[i%len(writers)].Do(t.Context(), items...)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for k, r := range results {
						assert.True(t, r.Err == nil && !seen[items[k]][r.Value], "%s was answered %v, perhaps again", items[k], r)
						seen[items[k]][r.Value] = true
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		var sum int64
		for name, n := range counts(t, s) {
			require.Len(t, seen[name], int(n), "each increment saw a sum of its own")
			sum += n
		}
		require.Equal(t, int64(callers*each), sum)
	})
}
