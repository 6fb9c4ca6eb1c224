package vector_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/vector"
	"parley/internal/vector/vectortest"
)

func open(t testing.TB, cfg vector.Config) *vector.Exact {
	t.Helper()
	x, err := vector.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func TestExactFulfilsTheContract(t *testing.T) {
	t.Parallel()
	vectortest.Run(t, func(t *testing.T, dimension int) vectortest.Subject {
		return vectortest.Subject{Index: open(t, vector.Config{Dimension: dimension}), Recall: 1}
	})
}

func TestExactWithVectorsOnDiskFulfilsTheContract(t *testing.T) {
	t.Parallel()
	vectortest.Run(t, func(t *testing.T, dimension int) vectortest.Subject {
		return vectortest.Subject{Index: open(t, vector.Config{Dimension: dimension, Folder: t.TempDir()}), Recall: 1}
	})
}

// agree wants the hits of comparing with every row, and their order; scores of
// other orders of addition differ in the last bits.
func agree(t *testing.T, x vector.Index, reference *vectortest.Reference, q vector.Query) {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	require.NoError(t, err)
	want := reference.Search(q)
	require.Len(t, hits, len(want))
	for i, h := range hits {
		require.Equal(t, want[i].ID, h.ID, "hit %d of %d", i, len(want))
		require.InDelta(t, want[i].Score, h.Score, 1e-12)
	}
}

func TestHitsAreExactInEveryDimension(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 63, 64, 65, 127, 128, 129, 384, 512, 768, 1000, 4095, 4096} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			x, random, reference := open(t, vector.Config{Dimension: n}), vectortest.NewRandom(uint64(n)), vectortest.NewReference()
			rows := random.Rows(max(150, 100_000/n/8), n)
			require.NoError(t, x.Put(t.Context(), rows...))
			reference.Put(rows...)
			for range 10 {
				agree(t, x, reference, vector.Query{Vector: random.Vector(n), K: 12})
				agree(t, x, reference, vector.Query{Vector: random.Near(rows[9].Vector, 0.4), K: 3, Filter: vector.Filter{{"kind:post"}}})
			}
		})
	}
}

// Codes fit these badly: the bounds are wide, and still nothing is lost.
func TestHitsAreExactWhereCodesAreCoarse(t *testing.T) {
	t.Parallel()
	const n, count = 96, 3000
	random := vectortest.NewRandom(1)
	for name, number := range map[string]func(row, i int) float64{
		"one number each":         func(row, i int) float64 { return map[bool]float64{true: 1, false: 0}[i == row%n] },
		"one large number":        func(_, i int) float64 { return random.NormFloat64() + map[bool]float64{true: 40, false: 0}[i == 5] },
		"all nearly the same":     func(_, _ int) float64 { return 1 + 1e-6*random.NormFloat64() },
		"all the same":            func(_, _ int) float64 { return 1 },
		"sizes of all magnitudes": func(_, _ int) float64 { return math.Exp(8*random.NormFloat64()) * random.NormFloat64() },
		"only two values":         func(_, _ int) float64 { return float64(1 - 2*random.IntN(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			x, reference := open(t, vector.Config{Dimension: n}), vectortest.NewReference()
			rows := random.Rows(count, n)
			for r := range rows {
				for i := range n {
					rows[r].Vector[i] = float32(number(r, i))
				}
			}
			require.NoError(t, x.Put(t.Context(), rows...))
			reference.Put(rows...)
			for i := range 6 {
				q := vector.Query{Vector: random.Near(rows[i].Vector, 0.1*float64(i)), K: 25}
				hits, err := x.Search(t.Context(), q)
				require.NoError(t, err)
				require.Len(t, hits, 25)
				// Of scores that differ in the last bits only, each order of addition
				// has its own: compared is what lies apart.
				for j, want := range reference.Search(q) {
					require.InDelta(t, want.Score, hits[j].Score, 1e-12)
				}
			}
		})
	}
}

func TestScoresAreTheSameOnEveryWayThroughTheIndex(t *testing.T) {
	t.Parallel()
	const n = 200
	random := vectortest.NewRandom(2)
	rows := random.Rows(9000, n)
	alone := open(t, vector.Config{Dimension: n, Goroutines: 1})
	many := open(t, vector.Config{Dimension: n, Goroutines: 7, Folder: t.TempDir()})
	require.NoError(t, alone.Put(t.Context(), rows...))
	for i := len(rows) - 1; i >= 0; i -= 3 { // another order, other places
		require.NoError(t, many.Put(t.Context(), rows[i], rows[i-1], rows[i-2]))
	}
	var group sync.WaitGroup
	for i := range 40 { // so many that they share passes
		q := vector.Query{Vector: random.Near(rows[i].Vector, 1), K: 100}
		want, err := alone.Search(t.Context(), q)
		require.NoError(t, err)
		group.Go(func() {
			hits, err := many.Search(t.Context(), q)
			assert.NoError(t, err)
			assert.Equal(t, want, hits)
		})
	}
	group.Wait()
}

func TestTwoReplicasOfOneStreamOfChangesHaveTheSameFile(t *testing.T) {
	t.Parallel()
	const n, changes = 40, 10_000
	cfg := vector.Config{Dimension: n, Model: vector.Model{Name: "m", Digest: "d"}}
	first, second, reference := open(t, cfg), open(t, vector.Config{Dimension: n, Model: cfg.Model, Folder: t.TempDir()}), vectortest.NewReference()
	random := vectortest.NewRandom(3)
	var group []vector.Row // the second takes what it can several at a time
	flush := func() {
		require.NoError(t, second.Put(t.Context(), group...))
		group = nil
	}
	for range changes {
		id := fmt.Sprint("sticker_", random.IntN(3000))
		if random.IntN(4) == 0 {
			flush()
			for _, x := range []vector.Index{first, second} {
				require.NoError(t, x.Delete(t.Context(), id))
			}
			reference.Delete(id)
			continue
		}
		row := vector.Row{ID: id, Vector: random.Vector(n), Labels: []string{fmt.Sprint("tag:", random.IntN(900)), fmt.Sprint("owner:", random.IntN(9))}}
		require.NoError(t, first.Put(t.Context(), row))
		reference.Put(row)
		if group = append(group, row); len(group) == 20 {
			flush()
		}
	}
	flush()
	rebuilt := open(t, cfg)
	require.NoError(t, rebuilt.Put(t.Context(), reference.Rows()...))
	require.Equal(t, fileOf(t, first), fileOf(t, second), "the replicas differ")
	require.Equal(t, fileOf(t, rebuilt), fileOf(t, first), "a rebuild differs")
	for range 20 {
		agree(t, first, reference, vector.Query{Vector: random.Vector(n), K: 40})
	}
}

// fileOf is what an index saves.
func fileOf(t *testing.T, x *vector.Exact) []byte {
	t.Helper()
	path := t.TempDir() + "/index"
	require.NoError(t, x.Save(path, "p"))
	bytes, err := os.ReadFile(path)
	require.NoError(t, err)
	return bytes
}

func TestAClosedIndexAnswersThatItIs(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", t.TempDir()} {
		x, err := vector.New(vector.Config{Dimension: 2, Folder: folder})
		require.NoError(t, err)
		row := vector.Row{ID: "a", Vector: []float32{1, 2}}
		require.NoError(t, x.Put(t.Context(), row))
		require.NoError(t, x.Close())
		require.NoError(t, x.Close())
		require.ErrorIs(t, x.Put(t.Context(), row), vector.ErrClosed)
		require.ErrorIs(t, x.Delete(t.Context(), "a"), vector.ErrClosed)
		_, err = x.Search(t.Context(), vector.Query{Vector: row.Vector, K: 1})
		require.ErrorIs(t, err, vector.ErrClosed)
		_, err = x.Len(t.Context())
		require.ErrorIs(t, err, vector.ErrClosed)
		require.ErrorIs(t, x.Save(t.TempDir()+"/index", ""), vector.ErrClosed)
	}
}

func TestAnIndexIsClosedUnderItsSearches(t *testing.T) {
	t.Parallel()
	const n = 64
	x, err := vector.New(vector.Config{Dimension: n, Folder: t.TempDir()})
	require.NoError(t, err)
	random := vectortest.NewRandom(4)
	require.NoError(t, x.Put(t.Context(), random.Rows(8000, n)...))
	var group sync.WaitGroup
	for i := range 8 {
		q := vector.Query{Vector: vectortest.NewRandom(uint64(i)).Vector(n), K: 20}
		group.Go(func() {
			for {
				hits, err := x.Search(t.Context(), q)
				if err != nil {
					assert.ErrorIs(t, err, vector.ErrClosed)
					return
				}
				assert.Len(t, hits, 20)
			}
		})
	}
	for range 20 {
		_, err := x.Search(t.Context(), vector.Query{Vector: random.Vector(n), K: 1})
		require.NoError(t, err)
	}
	require.NoError(t, x.Close())
	group.Wait()
}

func TestASearchThatIsGivenUpEndsAtOnceAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	const n = 64
	x, random := open(t, vector.Config{Dimension: n}), vectortest.NewRandom(5)
	rows := random.Rows(9000, n)
	require.NoError(t, x.Put(t.Context(), rows...))
	var group sync.WaitGroup
	for i := range 60 {
		q := vector.Query{Vector: rows[i].Vector, K: 5}
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 0 {
				go cancel()
			}
			hits, err := x.Search(ctx, q)
			cancel()
			if err != nil {
				assert.ErrorIs(t, err, context.Canceled)
				assert.Zero(t, i%2)
				return
			}
			if assert.Len(t, hits, 5) {
				assert.Equal(t, rows[i].ID, hits[0].ID)
			}
		})
	}
	group.Wait()
}

func TestSettingsThatCanNotBeAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]vector.Config{
		"no dimension":   {},
		"many":           {Dimension: vector.MaxDimension + 1},
		"less than none": {Dimension: -1},
		"goroutines":     {Dimension: 1, Goroutines: -1},
		"long name":      {Dimension: 1, Model: vector.Model{Name: string(make([]byte, 1025))}},
	} {
		_, err := vector.New(cfg)
		require.ErrorIs(t, err, vector.ErrInvalid, name)
	}
	_, err := vector.New(vector.Config{Dimension: 1, Folder: t.TempDir() + "/none"})
	require.ErrorIs(t, err, os.ErrNotExist)
}
