package pipeline

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sizedBatcher has inputs that are their own size and notes what runs together.
func sizedBatcher(rows, tokens int, ran *[][]int) *Batcher[int, int] {
	return NewBatcher(BatcherConfig[int, int]{
		Model: "sizes", Gate: NewGate(1), Rows: rows, Tokens: tokens, Bytes: 1 << 30,
		Size: func(in int) int { return in },
		Need: func(rows, size int) float64 { return float64(rows * size) },
		Work: func(_ context.Context, inputs []int) ([]int, error) {
			*ran = append(*ran, slices.Clone(inputs))
			return inputs, nil
		},
	})
}

func TestBatcher_BoundsThePadding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		rows, tokens int
		sizes        []int
		want         [][]int
	}{
		{"one alone", 64, 8192, []int{190}, [][]int{{190}}},
		{"one larger than the bound", 64, 100, []int{190, 190}, [][]int{{190}, {190}}},
		{"short and long", 64, 8192, []int{8, 192, 8, 192, 8}, [][]int{{8, 8, 8}, {192, 192}}},
		{"the oldest first", 64, 8192, []int{192, 8, 8, 192}, [][]int{{192, 192}, {8, 8}}},
		{"just an eighth", 64, 8192, []int{9, 7}, [][]int{{9, 7}}},
		{"more than an eighth", 64, 8192, []int{10, 7}, [][]int{{10}, {7}}},
		{"a longer one among many short", 64, 8192, []int{16, 16, 16, 16, 20}, [][]int{{16, 16, 16, 16}, {20}}},
		{"a shorter one among many long", 64, 8192, []int{20, 20, 20, 20, 16}, [][]int{{20, 20, 20, 20, 16}}},
		{"no more rows than may be", 2, 8192, []int{5, 5, 5}, [][]int{{5, 5}, {5}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var ran [][]int
			b := sizedBatcher(c.rows, c.tokens, &ran)
			answers := make(chan answer[int], len(c.sizes))
			for i, size := range c.sizes {
				b.queue = append(b.queue, &asked[int, int]{ctx: t.Context(), input: size, index: i, answer: answers})
			}
			for picked := b.pick(); len(picked) > 0; picked = b.pick() {
				b.work(t.Context(), picked)
			}
			assert.Equal(t, c.want, ran)
			assert.Len(t, answers, len(c.sizes))
		})
	}
}

// However much of another size keeps coming, everybody is answered and no run has more
// padding than may be.
func TestBatcher_StarvesNobody(t *testing.T) {
	t.Parallel()
	var ran [][]int
	b := sizedBatcher(8, 8192, &ran)
	ctx, cancel := context.WithCancel(t.Context())
	var running, callers sync.WaitGroup
	running.Go(func() { assert.NoError(t, b.Run(ctx)) })
	for caller := range 16 {
		callers.Go(func() {
			for i := range 50 {
				size := 4 * (1 + (caller*7+i*11)%48)
				out, err := b.Do(ctx, []int{size, 4})
				if assert.NoError(t, err) {
					assert.Equal(t, []int{size, 4}, out)
				}
			}
		})
	}
	callers.Wait()
	cancel()
	running.Wait()
	total := 0
	for _, inputs := range ran {
		whole := 0
		for _, size := range inputs {
			whole += size
		}
		require.LessOrEqual(t, 8*(len(inputs)*slices.Max(inputs)-whole), whole, "%v", inputs)
		total += len(inputs)
	}
	assert.Equal(t, 16*50*2, total)
}
