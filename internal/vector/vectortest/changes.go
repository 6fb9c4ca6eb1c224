package vectortest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/vector"
)

// recall compares with a reference, on vectors in clusters and all over, with
// filters that keep all, a third, a hundredth and a three-hundredth of the rows.
func recall(t *testing.T, open Open) {
	const n, k = 48, 10
	s, random, reference := open(t, n), NewRandom(4), NewReference()
	rows := random.Rows(6000, n)
	for i := 0; i < len(rows); i += 3 {
		rows[i].Vector = random.Vector(n)
	}
	s.put(t, rows...)
	reference.Put(rows...)
	for _, filter := range []vector.Filter{nil, {{"kind:post"}}, {{"owner:17"}}, {{"owner:3", "owner:4"}, {"kind:note"}}} {
		found, wanted := 0, 0
		for i := range 40 {
			q := vector.Query{Vector: random.Near(rows[random.IntN(len(rows))].Vector, 0.7), K: k, Filter: filter}
			if i%4 == 0 {
				q.Vector = random.Vector(n)
			}
			hits, want := s.search(t, q), reference.Search(q)
			require.Len(t, hits, len(want), "a filter shortened the page")
			found, wanted = found+s.common(t, hits, want), wanted+len(want)
		}
		assert.GreaterOrEqual(t, float64(found)/float64(wanted), s.Recall, "%v", filter)
	}
}

// common counts the hits that are wanted; those of an exact index are the same
// in the same order.
func (s Subject) common(t *testing.T, hits, want []vector.Hit) int {
	t.Helper()
	if s.Recall == 1 {
		require.Equal(t, ids(want), ids(hits))
	}
	scores := map[string]float64{}
	for _, h := range want {
		scores[h.ID] = h.Score
	}
	found := 0
	for _, h := range hits {
		if score, ok := scores[h.ID]; ok {
			found++
			require.InDelta(t, score, h.Score, 1e-5, h.ID)
		}
	}
	return found
}

// consistent has writers that move a row between two places, each with a label
// of its own, and delete it, while readers search at one of the places.
func consistent(t *testing.T, open Open) {
	const n, writers, rounds = 32, 4, 150
	s, random := open(t, n), NewRandom(5)
	places := [2][]float32{random.Vector(n), random.Vector(n)}
	s.put(t, random.Rows(500, n)...)
	ctx, stop := contextOf(t)
	defer stop()
	var readers, writing sync.WaitGroup
	var failed atomic.Value
	for i := range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				label := fmt.Sprint("at:", i)
				hits, err := s.Search(t.Context(), vector.Query{Vector: places[i], K: 50, Filter: vector.Filter{{label}}})
				if err != nil {
					failed.Store(err)
					return
				}
				for _, h := range hits {
					if h.Score < 0.9999 {
						failed.Store(fmt.Errorf("%s has the label %s and another vector: %v", h.ID, label, h.Score))
					}
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			if err := s.moveAbout(t.Context(), fmt.Sprint("w", w), places, rounds); err != nil {
				failed.Store(err)
			}
		})
	}
	writing.Wait()
	stop()
	readers.Wait()
	require.Nil(t, failed.Load())
	assert.Equal(t, 500, s.size(t))
}

func (s Subject) moveAbout(ctx context.Context, id string, places [2][]float32, rounds int) error {
	for i := range rounds {
		at := i % 2
		q := vector.Query{Vector: places[at], K: 50, Filter: vector.Filter{{"only:" + id}}}
		err := s.Put(ctx, vector.Row{ID: id, Vector: places[at], Labels: []string{fmt.Sprint("at:", at), "only:" + id}})
		if err != nil {
			return err
		}
		hits, err := s.Search(ctx, q)
		if err != nil {
			return err
		}
		if len(hits) != 1 || hits[0].ID != id || hits[0].Score < 0.9999 {
			return fmt.Errorf("%s was put, and %v is found", id, hits)
		}
		if err := s.Delete(ctx, id); err != nil {
			return err
		}
		if hits, err = s.Search(ctx, q); err != nil || len(hits) != 0 {
			return errors.Join(err, fmt.Errorf("%s was deleted, and %v is found", id, hits))
		}
	}
	return nil
}

// rebuilt has writers that each change rows of their own at random, 10,000
// changes together; the index must then answer as one that was made of the rows
// that are left.
func rebuilt(t *testing.T, open Open) {
	const n, writers, changes = 24, 4, 2500
	s, fresh, reference := open(t, n), open(t, n), NewReference()
	var group sync.WaitGroup
	var mu sync.Mutex
	for w := range writers {
		group.Go(func() {
			random, mine := NewRandom(uint64(100+w)), NewReference()
			for range changes {
				if err := change(t.Context(), s, mine, random, fmt.Sprintf("w%d-", w), n); err != nil {
					t.Error(err)
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			reference.Put(mine.Rows()...)
		})
	}
	group.Wait()
	fresh.put(t, reference.Rows()...)
	require.Equal(t, reference.Len(), s.size(t))
	require.Equal(t, reference.Len(), fresh.size(t))
	random := NewRandom(6)
	for _, filter := range []vector.Filter{nil, {{"owner:1"}}} {
		for range 20 {
			q := vector.Query{Vector: random.Vector(n), K: 25, Filter: filter}
			hits, want := s.search(t, q), reference.Search(q)
			require.Len(t, hits, len(want))
			if s.Recall == 1 {
				require.Equal(t, ids(want), ids(hits))
				require.Equal(t, fresh.search(t, q), hits)
			}
		}
	}
}

// change does one thing at random: puts a few rows or deletes some.
func change(ctx context.Context, s Subject, mine *Reference, random Random, prefix string, n int) error {
	id := func() string { return fmt.Sprint(prefix, random.IntN(400)) }
	if random.IntN(3) == 0 {
		gone := []string{id(), id()}
		mine.Delete(gone...)
		return s.Delete(ctx, gone...)
	}
	rows := make([]vector.Row, 1+random.IntN(2))
	for i := range rows {
		rows[i] = vector.Row{ID: id(), Vector: random.Vector(n), Labels: []string{fmt.Sprint("owner:", random.IntN(5))}}
	}
	mine.Put(rows...)
	return s.Put(ctx, rows...)
}
