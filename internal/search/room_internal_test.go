package search

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChangesAreGatheredAndTooManyAreAll(t *testing.T) {
	t.Parallel()
	p := newPending()
	p.add("a")
	p.add("b")
	p.add("a")
	require.Len(t, p.news, 1)
	ids, all := p.take()
	assert.ElementsMatch(t, []string{"a", "b"}, ids)
	assert.False(t, all)
	ids, all = p.take()
	assert.Empty(t, ids)
	assert.False(t, all)
	for i := range maxPending + 5 {
		p.add(fmt.Sprint(i))
	}
	ids, all = p.take()
	assert.Empty(t, ids)
	assert.True(t, all)
	p.add("a")
	p.lose()
	_, all = p.take()
	assert.True(t, all)
}

func TestAPageGoesOnBehindItsSticker(t *testing.T) {
	t.Parallel()
	w := &window{index: "index_1", hits: []ranked{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	w.name = w.digest()
	c, err := parseCursor(w.cursor(1))
	require.NoError(t, err)
	assert.Equal(t, cursor{"index_1", w.name, 1, "b"}, c)
	assert.Equal(t, 2, c.in(w))
	other := &window{hits: []ranked{{ID: "b"}, {ID: "x"}}}
	other.name = other.digest()
	assert.NotEqual(t, w.name, other.name)
	assert.Equal(t, 1, c.in(other), "behind the same sticker")
	assert.Equal(t, 2, c.in(&window{hits: []ranked{{ID: "y"}}}), "or where it was")
}

func TestWhatIsAtRandomIsComparedWithTheNearerVectorToo(t *testing.T) {
	t.Parallel()
	background := [][]float32{{1, 0}, {0, 1}}
	one := spreadOf([][]float32{{1, 0}}, background)
	assert.InDelta(t, 0.5, one.mean, 1e-12)
	both := spreadOf([][]float32{{1, 0}, {0, 1}}, background)
	assert.InDelta(t, 1, both.mean, 1e-12, "each is as near as can be to one of them")
	assert.Less(t, both.deviation, one.deviation)
}

func FuzzCursor(f *testing.F) {
	w := &window{index: "index_1", hits: []ranked{{ID: "a"}}}
	w.name = w.digest()
	f.Add(w.cursor(0))
	f.Add("eyJ3IjoieCIsInAiOjkyMjMzNzIwMzY4NTQ3NzU4MDd9")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			return
		}
		if at := c.in(w); at < 0 {
			t.Fatalf("%q gives the place %d", text, at)
		}
	})
}
