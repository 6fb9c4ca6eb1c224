package listing

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/page"
)

func TestAFullPageGivesItsRowsWithTheirPlaces(t *testing.T) {
	t.Parallel()
	a, b := &gen.Note{ID: "a"}, &gen.Note{ID: "b"}
	notes, err := Of[Notes](&page.Page[*gen.Note]{
		Edges:   []page.Edge[*gen.Note]{{Node: a, Cursor: "at a"}, {Node: b, Cursor: "at b"}},
		HasNext: true,
		Count:   func() (int, error) { return 17, nil },
	}, nil)
	require.NoError(t, err)
	edges := notes.Edges()
	require.Len(t, edges, 2)
	for i, want := range []NoteEdge{{page.Edge[*gen.Note]{Node: a, Cursor: "at a"}}, {page.Edge[*gen.Note]{Node: b, Cursor: "at b"}}} {
		require.Equal(t, want, *edges[i])
	}
	require.Equal(t, []*gen.Note{a, b}, notes.Nodes())
	first, last := "at a", "at b"
	require.Equal(t, &PageInfo{HasNextPage: true, StartCursor: &first, EndCursor: &last}, notes.PageInfo())
	n, err := notes.TotalCount()
	require.NoError(t, err)
	require.Equal(t, 17, n, "the whole list, not the page")
}

func TestAPageOfOneBeginsAndEndsThere(t *testing.T) {
	t.Parallel()
	jobs, err := Of[Jobs](&page.Page[*gen.Job]{Edges: []page.Edge[*gen.Job]{{Node: &gen.Job{}, Cursor: "here"}}, HasPrevious: true}, nil)
	require.NoError(t, err)
	here := "here"
	require.Equal(t, &PageInfo{HasPreviousPage: true, StartCursor: &here, EndCursor: &here}, jobs.PageInfo())
}

// An empty list is [], not null, and has no cursors.
func TestAnEmptyPageHasListsAndNoPlaces(t *testing.T) {
	t.Parallel()
	notes, err := Of[Notes](&page.Page[*gen.Note]{}, nil)
	require.NoError(t, err)
	require.Equal(t, []*NoteEdge{}, notes.Edges())
	require.Equal(t, []*gen.Note{}, notes.Nodes())
	require.Equal(t, &PageInfo{}, notes.PageInfo())
}

func TestTheErrorOfAPageOrItsCountIsPassedOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	notes, err := Of[Notes](&page.Page[*gen.Note]{}, broken)
	require.ErrorIs(t, err, broken)
	require.Nil(t, notes)
	jobs, err := Of[Jobs](&page.Page[*gen.Job]{Count: func() (int, error) { return 0, broken }}, nil)
	require.NoError(t, err, "the count is taken when it is asked for")
	_, err = jobs.TotalCount()
	require.ErrorIs(t, err, broken)
}
