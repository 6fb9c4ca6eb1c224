package vector

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newTest(t *testing.T, cfg Config) *Exact {
	t.Helper()
	x, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func testRow(random *rand.Rand, id string, labels ...string) Row {
	return Row{ID: id, Vector: []float32{random.Float32() + 0.1, random.Float32(), random.Float32()}, Labels: labels}
}

// waste counts rows and dead rows of full blocks.
func waste(x *Exact) (blocks, rows, dead int) {
	for _, b := range x.now.blocks {
		if b != nil && b.sealed() {
			rows, dead = rows+b.used, dead+b.dead
		}
		if b != nil {
			blocks++
		}
	}
	return blocks, rows, dead
}

func TestDeadRowsTakeABoundedShare(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", t.TempDir()} {
		x, random := newTest(t, Config{Dimension: 3, Folder: folder}), rand.New(rand.NewPCG(1, 1))
		const live = 4 * blockRows
		for i := range 12 * live {
			id := fmt.Sprint(random.IntN(live))
			if i%5 == 4 {
				require.NoError(t, x.Delete(t.Context(), id))
			} else {
				require.NoError(t, x.Put(t.Context(), testRow(random, id, "tag:"+id)))
			}
		}
		blocks, rows, dead := waste(x)
		assert.LessOrEqual(t, dead, rows/4)
		assert.LessOrEqual(t, blocks, live*4/3/blockRows+2)
		assert.LessOrEqual(t, len(x.now.blocks), live*4/3/blockRows+3, "places of blocks are not used again")
	}
}

func TestOneRowChangedForEverTakesTheRoomOfABlock(t *testing.T) {
	t.Parallel()
	x, random := newTest(t, Config{Dimension: 3}), rand.New(rand.NewPCG(2, 2))
	for i := range 5 * blockRows {
		require.NoError(t, x.Put(t.Context(), testRow(random, "a", fmt.Sprint("tag:", i))))
	}
	blocks, _, _ := waste(x)
	assert.LessOrEqual(t, blocks, 2)
	assert.Len(t, x.labels.numbers, 1, "labels that no row has are remembered")
	assert.Len(t, x.labels.names, 1)
	require.NoError(t, x.Delete(t.Context(), "a"))
	assert.Empty(t, x.labels.numbers)
	assert.Empty(t, x.places.places)
	assert.Equal(t, 0, x.now.rows)
}

func TestRoomInTheFileIsUsedAgain(t *testing.T) {
	t.Parallel()
	x, random := newTest(t, Config{Dimension: 3, Folder: t.TempDir()}), rand.New(rand.NewPCG(3, 3))
	fill := func() {
		rows := make([]Row, 3*blockRows)
		for i := range rows {
			rows[i] = testRow(random, fmt.Sprint(i))
		}
		require.NoError(t, x.Put(t.Context(), rows...))
	}
	unused := func() int {
		x.vault.mu.Lock()
		defer x.vault.mu.Unlock()
		return len(x.vault.free)
	}
	fill()
	fill()
	require.Eventually(t, func() bool { // the collector gives back what no view shows
		runtime.GC()
		return unused() >= 3
	}, time.Minute, time.Millisecond)
	before := x.vault.end
	fill()
	assert.Equal(t, before, x.vault.end)
}

func TestIdsWithTheSameHashAreKeptApart(t *testing.T) {
	t.Parallel()
	x, random := newTest(t, Config{Dimension: 3}), rand.New(rand.NewPCG(4, 4))
	x.places.hash = func(id string) uint64 { return uint64(len(id)) }
	var want []string
	present := map[string]bool{}
	for range 4000 {
		id := fmt.Sprint(random.IntN(300))
		if random.IntN(3) == 0 {
			require.NoError(t, x.Delete(t.Context(), id))
			delete(present, id)
			continue
		}
		require.NoError(t, x.Put(t.Context(), testRow(random, id)))
		present[id] = true
	}
	for id := range present {
		want = append(want, id)
	}
	hits, err := x.Search(t.Context(), Query{Vector: []float32{1, 1, 1}, K: MaxHits})
	require.NoError(t, err)
	var got []string
	for _, h := range hits {
		got = append(got, h.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	assert.Equal(t, want, got)
	assert.Equal(t, len(want), x.now.rows)
}

func TestAChangeThatCanNotBeWrittenTakesNothing(t *testing.T) {
	t.Parallel()
	x, random := newTest(t, Config{Dimension: 3, Folder: t.TempDir()}), rand.New(rand.NewPCG(5, 5))
	require.NoError(t, x.Put(t.Context(), testRow(random, "a", "old")))
	before, file := x.now, x.vault.file
	require.NoError(t, file.Close()) // as good as a full disk
	rows := []Row{testRow(random, "a", "new"), testRow(random, "b", "new")}
	require.Error(t, x.Put(t.Context(), rows...))
	assert.Same(t, before, x.now)
	assert.Len(t, x.labels.numbers, 1)
	_, there := x.places.find(x.now.blocks, "b")
	assert.False(t, there)
	x.vault.file = nil // it is closed already
}

func TestTheLowestOfTheHighest(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(6, 6))
	for most := 1; most < 40; most++ {
		l, all := lowest[float64]{most: most}, []float64{}
		for range 200 {
			n := float64(random.IntN(50))
			l.add(n)
			all = append(all, n)
			slices.SortFunc(all, func(a, b float64) int { return int(b - a) })
			require.Equal(t, len(all) >= most, l.full())
			require.Equal(t, all[min(most, len(all))-1], l.least())
		}
	}
}

func TestAScoreIsRoundedDown(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for range 10_000 {
		score := random.Float64()*2 - 1
		require.LessOrEqual(t, float64(below(score)), score)
		require.InDelta(t, score, float64(below(score)), 1e-7)
	}
	assert.Equal(t, float32(-2), below(-1e300))
	assert.Equal(t, float32(2), below(1e300))
}
