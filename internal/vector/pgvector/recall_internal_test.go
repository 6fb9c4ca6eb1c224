package pgvector

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/internal/vector"
	"parley/internal/vector/vectortest"
)

const (
	manyRows = 20_000
	// equalRows of them have one vector.
	equalRows = 300
	manyWide  = 32
)

// many is an index whose unfiltered searches go through the graph, and one in
// memory with the same rows.
func many(t *testing.T) (*Index, *vector.Exact, []vector.Row) {
	t.Helper()
	x, err := Open(t.Context(), Config{
		DB: testkit.PGVector(t), Name: strings.ToLower("test_" + rand.Text()), Dimension: manyWide, Neighbours: 16, Building: 64, BuildingMemory: 64,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, x.Drop(context.WithoutCancel(t.Context()))) })
	rows := vectortest.NewRandom(11).Rows(manyRows, manyWide)
	for i := range equalRows {
		rows[i*7].Vector = rows[0].Vector
	}
	require.NoError(t, x.Load(t.Context(), func(yield func(vector.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}))
	exact, err := vector.New(vector.Config{Dimension: manyWide})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, exact.Close()) })
	require.NoError(t, exact.Put(t.Context(), rows...))
	return x, exact, rows
}

func TestManyRows(t *testing.T) {
	t.Parallel()
	x, exact, rows := many(t)
	third, hundredth, threeHundredth := vector.Filter{{"kind:note"}}, vector.Filter{{"owner:17"}}, vector.Filter{{"owner:3"}, {"kind:note"}}
	t.Run("the graph is asked where the filter keeps many", func(t *testing.T) {
		for _, test := range []struct {
			filter vector.Filter
			k      int
			graph  bool
		}{
			{nil, 10, true}, {nil, 1000, false}, {third, 10, true}, {third, 400, false}, {hundredth, 10, false}, {threeHundredth, 10, false},
			{vector.Filter{{"kind:note", "kind:post"}, {"kind:note", "kind:sticker"}}, 10, true}, {vector.Filter{{"unheard"}}, 10, false},
		} {
			s := begin(t, x, vector.Query{Vector: rows[5].Vector, K: test.k, Filter: test.filter})
			graph, err := s.useGraph(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.graph, graph, "%d of %v", test.k, test.filter)
			assert.Equal(t, true, strings.Contains(s.plan(t, true), x.cfg.Name+"_graph"))
			assert.Equal(t, false, strings.Contains(s.plan(t, false), x.cfg.Name+"_graph"))
			require.NoError(t, s.tx.Rollback())
		}
	})
	for _, filter := range []vector.Filter{nil, third, hundredth, threeHundredth} {
		t.Run(fmt.Sprintf("recall with the filter %v", filter), func(t *testing.T) {
			random, right, wanted := vectortest.NewRandom(12), 0, 0
			for range 50 {
				q := vector.Query{Vector: random.Near(rows[random.IntN(len(rows))].Vector, 0.7), K: 10, Filter: filter}
				a, b := compare(t, x, exact, q)
				right, wanted = right+a, wanted+b
			}
			assert.GreaterOrEqual(t, float64(right)/float64(wanted), 0.98)
		})
	}
	t.Run("pages through the graph go on", func(t *testing.T) {
		random, right, wanted := vectortest.NewRandom(13), 0, 0
		for range 10 {
			q := vector.Query{Vector: random.Near(rows[random.IntN(len(rows))].Vector, 0.7), K: 10, Filter: third}
			for range 15 {
				a, b := compare(t, x, exact, q)
				right, wanted = right+a, wanted+b
				hits, err := exact.Search(t.Context(), q)
				require.NoError(t, err)
				q.After = &hits[len(hits)-1]
			}
		}
		assert.GreaterOrEqual(t, float64(right)/float64(wanted), 0.98)
	})
	t.Run("settings end with the search", func(t *testing.T) {
		before := settings(t, x)
		assert.Equal(t, [7]string{"auto", before[1], "off", "40", "20000", "on", "on"}, before)
		for _, filter := range []vector.Filter{nil, hundredth} {
			_, err := x.Search(t.Context(), vector.Query{Vector: rows[5].Vector, K: 10, Filter: filter})
			require.NoError(t, err)
			assert.Equal(t, before, settings(t, x))
		}
	})
	t.Run("equal rows come by id, over pages", func(t *testing.T) {
		q := vector.Query{Vector: rows[0].Vector, K: 70}
		for range 5 {
			hits, err := x.Search(t.Context(), q)
			require.NoError(t, err)
			want, err := exact.Search(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, want, hits)
			q.After = &hits[len(hits)-1]
		}
	})
	// The planner still expects many rows, and the graph still leads through those
	// that are gone.
	t.Run("what is left of many rows is found", func(t *testing.T) {
		var gone []string
		for _, r := range rows[20:] {
			gone = append(gone, r.ID)
		}
		require.NoError(t, x.Delete(t.Context(), gone...))
		require.NoError(t, exact.Delete(t.Context(), gone...))
		for _, k := range []int{1, 19, 20, 21} {
			q := vector.Query{Vector: rows[40].Vector, K: k}
			hits, err := x.Search(t.Context(), q)
			require.NoError(t, err)
			want, err := exact.Search(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, want, hits)
		}
	})
}

// settings are those that a search changes, as the next caller of the pool has them.
func settings(t *testing.T, x *Index) (all [7]string) {
	t.Helper()
	require.NoError(t, x.cfg.DB.QueryRowContext(t.Context(), `SELECT current_setting('plan_cache_mode'), current_setting('jit'),
		current_setting('hnsw.iterative_scan'), current_setting('hnsw.ef_search'), current_setting('hnsw.max_scan_tuples'),
		current_setting('enable_seqscan'), current_setting('enable_sort')`).Scan(&all[0], &all[1], &all[2], &all[3], &all[4], &all[5], &all[6]))
	return all
}

func begin(t *testing.T, x *Index, q vector.Query) *search {
	t.Helper()
	tx, err := x.cfg.DB.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	require.NoError(t, err)
	return &search{Index: x, tx: tx, query: q, unit: vector.Unit(q.Vector), filter: q.Filter, share: 1}
}

// plan gives how PostgreSQL reads a window.
func (s *search) plan(t *testing.T, graph bool) string {
	t.Helper()
	require.NoError(t, s.set(t.Context(), graph, 28))
	c := conditionOf(s.filter, 2)
	rows, err := s.tx.QueryContext(t.Context(), "EXPLAIN "+nearest(s.table, c, graph), append([]any{s.unit, 28}, c.values...)...)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		all = append(all, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(all, "\n")
}

// compare counts the hits that are those of the index in memory, whose scores
// must be the same.
func compare(t *testing.T, x *Index, exact *vector.Exact, q vector.Query) (right, wanted int) {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	require.NoError(t, err)
	want, err := exact.Search(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, hits, len(want), "a filter shortened the page")
	scores := map[string]float64{}
	for _, h := range want {
		scores[h.ID] = h.Score
	}
	for i, h := range hits {
		require.True(t, i == 0 || hits[i-1].Before(h))
		if score, ok := scores[h.ID]; ok {
			right++
			require.Equal(t, score, h.Score, h.ID)
		}
	}
	return right, len(want)
}

// The products of pgvector are in float32, in which these rows are all about the
// same: an order by them would be another one.
func TestNearlyEqualRowsHaveTheOrderOfExactScores(t *testing.T) {
	t.Parallel()
	const n, count = 48, 1500
	x, err := Open(t.Context(), Config{DB: testkit.PGVector(t), Name: "test_nearly_equal", Dimension: n, Neighbours: 4, Building: 8})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, x.Drop(context.WithoutCancel(t.Context()))) })
	exact, err := vector.New(vector.Config{Dimension: n})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, exact.Close()) })
	random := vectortest.NewRandom(14)
	center, rows := random.Vector(n), make([]vector.Row, count)
	for i := range rows {
		rows[i] = vector.Row{ID: fmt.Sprint(i), Vector: random.Near(center, 1e-6)}
	}
	require.NoError(t, x.Put(t.Context(), rows...))
	require.NoError(t, exact.Put(t.Context(), rows...))
	q := vector.Query{Vector: random.Near(center, 0.5), K: 100}
	for seen := 0; seen < count; seen += q.K {
		want, err := exact.Search(t.Context(), q)
		require.NoError(t, err)
		hits, err := x.Search(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, want, hits)
		q.After = &hits[len(hits)-1]
	}
}
