package indexing_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/indexing"
	"parley/internal/vector"
)

// Once a worker has a model what is there gets vectors, and the first index answers.
func TestFirstIndexIsFilledAndAnswers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := w.start("", indexing.Config{})
		for i := range 30 {
			one := thing{id: fmt.Sprintf("thing_%02d", i), words: fmt.Sprintf("words %d", i), labels: "public"}
			if i%2 == 0 {
				one.picture = drawing(t, 16+i, uint64(i))
			}
			p.put(one)
		}
		_, ok := p.follower.Active()
		assert.False(t, ok, "without a model nothing answers")
		w.work("random", "clip-random")
		g := p.active(30, 15)
		assert.Equal(t, "clip-random", g.Model)
		all, err := p.List(admin(t))
		require.NoError(t, err)
		require.Len(t, all, 1)
		assert.Equal(t, indexing.Active, all[0].State)
		assert.Equal(t, []int{45, 45, 0}, []int{all[0].Total, all[0].Done, all[0].Failed})
		hits, err := g.Search(t.Context(), "thing", indexing.Words, vector.Query{Vector: axis(g.Dimensions), K: 100, Filter: vector.Filter{{"public"}}})
		require.NoError(t, err)
		assert.Len(t, hits, 30)
	})
}

// axis is a vector along the first dimension.
func axis(n int) []float32 {
	v := make([]float32, n)
	v[0] = 1
	return v
}
