package page_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/page"
)

// shelf is a row that is in memory.
type shelf struct{ name, id string }

func TestSlice_PagesAreThoseOfOneList(t *testing.T) {
	t.Parallel()
	order := page.Order[*shelf]{Name: "NAME", Key: func(s *shelf) (any, string) { return s.name, s.id }}
	var rows []*shelf
	for i := range 7 { // in no order, and two of each name
		n := (i * 5) % 7
		rows = append(rows, &shelf{strconv.Itoa(n / 2), strconv.Itoa(n)})
	}
	size := 3
	var forth []string
	var after *string
	for more := true; more; {
		p, err := page.Slice(page.Args{First: &size, After: after}, order, rows)
		require.NoError(t, err)
		for _, e := range p.Edges {
			forth = append(forth, e.Node.id)
			after = &e.Cursor
		}
		more = p.HasNext
		n, err := p.Count()
		require.NoError(t, err)
		assert.Equal(t, 7, n)
	}
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6"}, forth)
	p, err := page.Slice(page.Args{Last: &size, Before: after}, order, rows)
	require.NoError(t, err)
	assert.True(t, p.HasPrevious && p.HasNext)
	assert.Equal(t, []string{"3", "4", "5"}, []string{p.Edges[0].Node.id, p.Edges[1].Node.id, p.Edges[2].Node.id})
	// What lay at a place may be gone: the page begins behind it all the same.
	p, err = page.Slice(page.Args{First: &size, After: &p.Edges[0].Cursor}, order, rows[:3])
	require.NoError(t, err)
	for _, e := range p.Edges {
		assert.Greater(t, e.Node.id, "3")
	}
	nonsense := "nonsense"
	_, err = page.Slice(page.Args{After: &nonsense}, order, rows)
	assert.True(t, apperr.Is(err, apperr.BadInput), "%v", err)
	empty, err := page.Slice(page.Args{}, order, nil)
	require.NoError(t, err)
	assert.Empty(t, empty.Edges)
}
