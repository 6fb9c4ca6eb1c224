// Package vectortest is the contract that every vector.Index fulfils.
package vectortest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/vector"
)

// Subject is an empty index under test.
type Subject struct {
	vector.Index
	// Recall is how many of the true hits it gives at least, on average over
	// queries: 1 for an exact index. Whatever it is, a filter never shortens a page.
	Recall float64
}

// Open makes an empty index for vectors of a dimension, and sees to its end.
type Open func(t *testing.T, dimension int) Subject

// Run runs the contract, each test on an index of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"the nearest come first, with their cosines", nearest},
		{"only the direction of a vector counts", direction},
		{"rows are replaced and deleted", replacement},
		{"of two rows with one id in a call the later counts", twice},
		{"a row's vector is given at length 1", vectors},
		{"equal scores come by id", ties},
		{"filters keep what meets every clause", filters},
		{"a filter never shortens a page", fullPages},
		{"pages go through everything once", pages},
		{"a page goes on where the last one ended, whatever changed", changingPages},
		{"nothing scores below the least score", leastScore},
		{"wrong rows are refused, and none of their call is taken", wrongRows},
		{"wrong queries are refused", wrongQueries},
		{"a call that nobody waits for does nothing", cancelled},
		{"an empty index finds nothing", empty},
		{"hits are those of comparing with every row", recall},
		{"what was deleted is not found, and no row is half another", consistent},
		{"changes by many at once end as one rebuild", rebuilt},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open)
		})
	}
}

func (s Subject) put(t testing.TB, rows ...vector.Row) {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), rows...))
}

func (s Subject) search(t testing.TB, q vector.Query) []vector.Hit {
	t.Helper()
	hits, err := s.Search(t.Context(), q)
	require.NoError(t, err)
	return hits
}

func (s Subject) size(t testing.TB) int {
	t.Helper()
	n, err := s.Len(t.Context())
	require.NoError(t, err)
	return n
}

func ids(hits []vector.Hit) []string {
	all := make([]string, len(hits))
	for i, h := range hits {
		all[i] = h.ID
	}
	return all
}

func row(id string, labels []string, v ...float32) vector.Row {
	return vector.Row{ID: id, Vector: v, Labels: labels}
}

func nearest(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t, row("right", nil, 1, 0), row("up", nil, 0, 1), row("left", nil, -1, 0), row("between", nil, 1, 1))
	hits := s.search(t, vector.Query{Vector: []float32{1, 0.1}, K: 10})
	require.Equal(t, []string{"right", "between", "up", "left"}, ids(hits))
	for i, want := range []float64{0.99504, 0.77395, 0.09950, -0.99504} {
		assert.InDelta(t, want, hits[i].Score, 1e-5)
	}
	assert.Equal(t, []string{"right", "between"}, ids(s.search(t, vector.Query{Vector: []float32{1, 0.1}, K: 2})))
}

func direction(t *testing.T, open Open) {
	s := open(t, 3)
	s.put(t, row("tiny", nil, 1e-30, 0, 0), row("huge", nil, 0, 3e38, 0), row("plain", nil, 0, 0, 7))
	for id, v := range map[string][]float32{"tiny": {1e30, 0, 0}, "huge": {0, 1e-35, 0}, "plain": {0, 0, 1}} {
		hits := s.search(t, vector.Query{Vector: v, K: 1})
		require.Len(t, hits, 1)
		assert.Equal(t, id, hits[0].ID)
		assert.InDelta(t, 1, hits[0].Score, 1e-6)
		assert.LessOrEqual(t, hits[0].Score, 1.0)
	}
}

func replacement(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t, row("a", []string{"old"}, 1, 0), row("b", nil, 0, 1))
	s.put(t, row("a", []string{"new"}, -1, 0))
	assert.Equal(t, 2, s.size(t))
	hits := s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5})
	require.Equal(t, []string{"b", "a"}, ids(hits))
	assert.InDelta(t, -1, hits[1].Score, 1e-6)
	assert.Empty(t, s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5, Filter: vector.Filter{{"old"}}}))
	assert.Len(t, s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5, Filter: vector.Filter{{"new"}}}), 1)

	require.NoError(t, s.Delete(t.Context(), "a", "unknown", "a"))
	require.NoError(t, s.Delete(t.Context(), "a"))
	require.NoError(t, s.Delete(t.Context()))
	assert.Equal(t, []string{"b"}, ids(s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5})))
	assert.Equal(t, 1, s.size(t))
	s.put(t, row("a", nil, 1, 0))
	assert.Equal(t, []string{"a", "b"}, ids(s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5})))
}

func twice(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t, row("a", nil, 1, 0), row("b", nil, 0, 1), row("a", nil, 0, -1))
	assert.Equal(t, 2, s.size(t))
	assert.Equal(t, []string{"b", "a"}, ids(s.search(t, vector.Query{Vector: []float32{0, 1}, K: 5})))
}

func vectors(t *testing.T, open Open) {
	s := open(t, 3)
	s.put(t, row("a", nil, 3, 0, 4), row("b", nil, 0, 2, 0))
	v, ok, err := s.Vector(t.Context(), "a")
	require.NoError(t, err)
	require.True(t, ok)
	assert.InDeltaSlice(t, []float32{0.6, 0, 0.8}, v, 1e-6)
	s.put(t, row("a", nil, 0, 0, 1))
	v[0] = 7 // the caller's own
	v, _, err = s.Vector(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0, 1}, v)
	require.NoError(t, s.Delete(t.Context(), "a"))
	for _, id := range []string{"a", "never there", "\xff"} {
		_, ok, err = s.Vector(t.Context(), id)
		require.NoError(t, err)
		assert.False(t, ok, id)
	}
}

func ties(t *testing.T, open Open) {
	s := open(t, 3)
	s.put(t, row("c", nil, 1, 2, 3), row("a", nil, 2, 4, 6), row("é", nil, 1, 2, 3), row("b", nil, 1, 2, 3), row("B", nil, 1, 2, 3))
	for k := 1; k <= 5; k++ {
		hits := s.search(t, vector.Query{Vector: []float32{3, 2, 1}, K: k})
		assert.Equal(t, []string{"B", "a", "b", "c", "é"}[:k], ids(hits))
	}
}

func cancelled(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t, row("a", nil, 1, 0))
	ctx, cancel := contextOf(t)
	cancel()
	require.Error(t, s.Put(ctx, row("b", nil, 1, 0)))
	require.Error(t, s.Delete(ctx, "a"))
	_, err := s.Search(ctx, vector.Query{Vector: []float32{1, 0}, K: 1})
	require.Error(t, err)
	assert.Equal(t, []string{"a"}, ids(s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5})))
}

func empty(t *testing.T, open Open) {
	s := open(t, 5)
	assert.Equal(t, 0, s.size(t))
	assert.Empty(t, s.search(t, vector.Query{Vector: []float32{1, 0, 0, 0, 0}, K: vector.MaxHits}))
	require.NoError(t, s.Put(t.Context()))
	require.NoError(t, s.Delete(t.Context(), "nothing"))
	assert.Equal(t, 0, s.size(t))
}
