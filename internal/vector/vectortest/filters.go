package vectortest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/vector"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func filters(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t,
		row("mine", []string{"owner:me", "kind:note"}, 1, 0),
		row("yours", []string{"owner:you", "kind:note"}, 1, 0),
		row("public", []string{"kind:sticker", "public", "public"}, 1, 0),
		row("bare", nil, 1, 0),
	)
	for _, test := range []struct {
		filter vector.Filter
		want   []string
	}{
		{nil, []string{"bare", "mine", "public", "yours"}},
		{vector.Filter{}, []string{"bare", "mine", "public", "yours"}},
		{vector.Filter{{"owner:me"}}, []string{"mine"}},
		{vector.Filter{{"owner:me", "public"}}, []string{"mine", "public"}},
		{vector.Filter{{"owner:me", "public"}, {"kind:note"}}, []string{"mine"}},
		{vector.Filter{{"kind:note", "kind:sticker", "unheard"}}, []string{"mine", "public", "yours"}},
		{vector.Filter{{"owner:me"}, {"owner:you"}}, []string{}},
		{vector.Filter{{"unheard"}}, []string{}},
		{vector.Filter{{"owner"}}, []string{}},
		{vector.Filter{{}}, []string{}},
		{vector.Filter{{"public"}, {}}, []string{}},
	} {
		assert.Equal(t, test.want, ids(s.search(t, vector.Query{Vector: []float32{1, 1}, K: 10, Filter: test.filter})), "%v", test.filter)
	}
}

// fullPages has rows that hardly any filter keeps, farthest from the query: an
// index that filters what it found first would give none of them.
func fullPages(t *testing.T, open Open) {
	const n, count = 16, 3000
	s, random := open(t, n), NewRandom(1)
	query := random.Vector(n)
	away := make([]float32, n)
	for i, x := range query {
		away[i] = -x
	}
	rows := make([]vector.Row, count)
	for i := range rows {
		rows[i] = vector.Row{ID: fmt.Sprint("near", i), Vector: random.Near(query, 0.5), Labels: []string{"much"}}
		if i%100 == 0 {
			rows[i] = vector.Row{ID: fmt.Sprint("far", i), Vector: random.Near(away, 0.5), Labels: []string{"little"}}
		}
	}
	s.put(t, rows...)
	for k, want := range map[int]int{1: 1, 10: 10, 29: 29, 30: 30, 31: 30, 1000: 30} {
		hits := s.search(t, vector.Query{Vector: query, K: k, Filter: vector.Filter{{"little"}}})
		assert.Len(t, hits, want, "%d wanted", k)
	}
	assert.Len(t, s.search(t, vector.Query{Vector: query, K: count}), count)
}

func pages(t *testing.T, open Open) {
	const n, count = 8, 500
	s, random := open(t, n), NewRandom(2)
	rows := random.Rows(count, n)
	for i := range rows[:100] { // many equal scores lie across the ends of pages
		rows[i].Vector = rows[0].Vector
	}
	s.put(t, rows...)
	q := vector.Query{Vector: random.Near(rows[0].Vector, 0.5), K: 7, Filter: vector.Filter{{"kind:note", "kind:post"}}}
	reference := NewReference()
	reference.Put(rows...)
	all := q
	all.K = count
	want := reference.Search(all)
	require.Greater(t, len(want), 250)
	seen := map[string]bool{}
	var last *vector.Hit
	for {
		q.After = last
		page := s.search(t, q)
		if len(page) == 0 {
			break
		}
		for _, h := range page {
			assert.False(t, seen[h.ID], "%s is on two pages", h.ID)
			assert.True(t, last == nil || last.Before(h), "%v does not come after %v", h, last)
			seen[h.ID], last = true, &h
		}
		if len(seen) < len(want) {
			require.Len(t, page, 7)
		}
	}
	assert.Len(t, seen, len(want))
}

func changingPages(t *testing.T, open Open) {
	s := open(t, 2)
	at := func(degrees float64) []float32 {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		return []float32{float32(cos), float32(sin)}
	}
	for i := range 10 {
		s.put(t, row(fmt.Sprint(i), nil, at(float64(10*i))...))
	}
	q := vector.Query{Vector: at(0), K: 4}
	page := s.search(t, q)
	require.Equal(t, []string{"0", "1", "2", "3"}, ids(page))
	q.After = &page[3]
	require.NoError(t, s.Delete(t.Context(), "3", "1")) // the place outlives its row
	s.put(t, row("before", nil, at(25)...), row("after", nil, at(45)...))
	assert.Equal(t, []string{"4", "after", "5", "6"}, ids(s.search(t, q)))

	q.After = &vector.Hit{ID: "", Score: 2}
	assert.Equal(t, []string{"0", "2", "before", "4"}, ids(s.search(t, q)))
	q.After = &vector.Hit{ID: "zzz", Score: -1}
	assert.Empty(t, s.search(t, q))
}

func leastScore(t *testing.T, open Open) {
	const n = 24
	s, random := open(t, n), NewRandom(3)
	rows := random.Rows(400, n)
	s.put(t, rows...)
	reference := NewReference()
	reference.Put(rows...)
	q := vector.Query{Vector: random.Near(rows[7].Vector, 0.3), K: 400}
	all := reference.Search(q)
	for _, i := range []int{0, 5, 60, 399} {
		least := all[i].Score - 1e-5
		q.MinScore = &least
		hits := s.search(t, q)
		assert.Len(t, hits, len(reference.Search(q)))
		assert.GreaterOrEqual(t, hits[len(hits)-1].Score, least)
	}
	none := 1.5
	q.MinScore = &none
	assert.Empty(t, s.search(t, q))
	everything := math.Inf(-1)
	q.MinScore = &everything
	assert.Len(t, s.search(t, q), 400)
}

func wrongRows(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t, row("old", nil, 1, 0))
	nan, infinite := float32(math.NaN()), float32(math.Inf(-1))
	for name, wrong := range map[string]vector.Row{
		"short":            row("x", nil, 1),
		"long":             row("x", nil, 1, 2, 3),
		"none":             row("x", nil),
		"zero":             row("x", nil, 0, 0),
		"minus zero":       row("x", nil, float32(math.Copysign(0, -1)), 0),
		"not a number":     row("x", nil, 1, nan),
		"infinite":         row("x", nil, infinite, 1),
		"no id":            row("", nil, 1, 1),
		"long id":          row(strings.Repeat("x", vector.MaxID+1), nil, 1, 1),
		"empty label":      row("x", []string{"a", ""}, 1, 1),
		"long label":       row("x", []string{strings.Repeat("x", vector.MaxLabel+1)}, 1, 1),
		"very many labels": row("x", make([]string, vector.MaxLabels+1), 1, 1),
	} {
		err := s.Put(t.Context(), row("good", []string{"fresh"}, 1, 1), wrong)
		require.ErrorIs(t, err, vector.ErrInvalid, name)
	}
	assert.Equal(t, []string{"old"}, ids(s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5})))
	assert.Equal(t, 1, s.size(t))
	require.ErrorIs(t, s.Delete(t.Context(), "old", ""), vector.ErrInvalid)
	assert.Equal(t, 1, s.size(t))

	var most []string
	for i := range vector.MaxLabels {
		most = append(most, fmt.Sprintf("%s%02d", strings.Repeat("l", vector.MaxLabel-2), i))
	}
	s.put(t, row(strings.Repeat("i", vector.MaxID), most, 1, 1))
	assert.Len(t, s.search(t, vector.Query{Vector: []float32{1, 0}, K: 5, Filter: vector.Filter{{most[63]}}}), 1)
}

func wrongQueries(t *testing.T, open Open) {
	s := open(t, 2)
	s.put(t, row("old", nil, 1, 0))
	nan := math.NaN()
	good := []float32{1, 0}
	for name, q := range map[string]vector.Query{
		"no k":              {Vector: good},
		"negative k":        {Vector: good, K: -1},
		"large k":           {Vector: good, K: vector.MaxHits + 1},
		"no vector":         {K: 1},
		"short":             {Vector: good[:1], K: 1},
		"zero":              {Vector: []float32{0, 0}, K: 1},
		"not a number":      {Vector: []float32{float32(nan), 1}, K: 1},
		"infinite":          {Vector: []float32{float32(math.Inf(1)), 1}, K: 1},
		"many clauses":      {Vector: good, K: 1, Filter: make(vector.Filter, vector.MaxClauses+1)},
		"long clause":       {Vector: good, K: 1, Filter: vector.Filter{make([]string, vector.MaxClauseLabels+1)}},
		"no least score":    {Vector: good, K: 1, MinScore: &nan},
		"no place to go on": {Vector: good, K: 1, After: &vector.Hit{Score: nan}},
	} {
		_, err := s.Search(t.Context(), q)
		require.ErrorIs(t, err, vector.ErrInvalid, name)
	}
}
