package pgvector_test

import (
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/internal/vector"
	"parley/internal/vector/pgvector"
)

func TestAnIndexIsThereAfterItWasOpenedAgain(t *testing.T) {
	t.Parallel()
	x := open(t, pgvector.Config{Name: "test_again", Dimension: 2})
	require.NoError(t, x.Put(t.Context(), vector.Row{ID: "a", Vector: []float32{1, 0}}))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			same, err := pgvector.Open(t.Context(), pgvector.Config{DB: testkit.PGVector(t), Name: "test_again", Dimension: 2})
			if !assert.NoError(t, err) {
				return
			}
			n, err := same.Len(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, 1, n)
		})
	}
	group.Wait()
	_, err := pgvector.Open(t.Context(), pgvector.Config{DB: testkit.PGVector(t), Name: "test_again", Dimension: 3})
	require.ErrorContains(t, err, "vectors of 2 numbers, 3 were wanted")
	require.NoError(t, x.Drop(t.Context()))
	_, err = x.Len(t.Context())
	require.Error(t, err)
	require.NoError(t, x.Drop(t.Context()))
}

func TestManyOpenTheSameNewIndexAtOnce(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, err := pgvector.Open(t.Context(), pgvector.Config{DB: testkit.PGVector(t), Name: "test_at_once", Dimension: 2})
			assert.NoError(t, err)
		})
	}
	group.Wait()
	n, err := open(t, pgvector.Config{Name: "test_at_once", Dimension: 2}).Len(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]pgvector.Config{
		"no name":         {Dimension: 2},
		"long name":       {Name: strings.Repeat("x", 41), Dimension: 2},
		"quoted name":     {Name: `x"; DROP TABLE users; --`, Dimension: 2},
		"capitals":        {Name: "Index", Dimension: 2},
		"no dimension":    {Name: "x"},
		"large dimension": {Name: "x", Dimension: pgvector.MaxDimension + 1},
		"one neighbour":   {Name: "x", Dimension: 2, Neighbours: 1},
		"few candidates":  {Name: "x", Dimension: 2, Neighbours: 16, Building: 31},
		"wide search":     {Name: "x", Dimension: 2, Searching: 1001},
		"negative memory": {Name: "x", Dimension: 2, BuildingMemory: -1},
	} {
		cfg.DB = testkit.PGVector(t)
		_, err := pgvector.Open(t.Context(), cfg)
		require.ErrorIs(t, err, vector.ErrInvalid, name)
	}
}

func TestTheLargestDimension(t *testing.T) {
	t.Parallel()
	x := open(t, pgvector.Config{Dimension: pgvector.MaxDimension})
	v := make([]float32, pgvector.MaxDimension)
	for i := range v {
		v[i] = float32(i%7) - 2.5
	}
	require.NoError(t, x.Put(t.Context(), vector.Row{ID: "a", Vector: v}))
	hits, err := x.Search(t.Context(), vector.Query{Vector: v, K: 1})
	require.NoError(t, err)
	require.Equal(t, []vector.Hit{{ID: "a", Score: vector.Cosine(vector.Unit(v), vector.Unit(v))}}, hits)
}

// The private PostgreSQL of the other tests is an ordinary one.
func TestAServerWithoutTheExtension(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("pgx", testkit.Postgres(t))
	require.NoError(t, err)
	defer db.Close()
	_, err = pgvector.Open(t.Context(), pgvector.Config{DB: db, Name: "x", Dimension: 2})
	require.ErrorIs(t, err, pgvector.ErrNoExtension)
	require.ErrorIs(t, pgvector.Check(t.Context(), db), pgvector.ErrNoExtension)
	require.NoError(t, pgvector.Check(t.Context(), testkit.PGVector(t)))
	var tables int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE tablename = 'vectors_x'").Scan(&tables))
	assert.Zero(t, tables)
}

func TestOnlyTextIsTaken(t *testing.T) {
	t.Parallel()
	x := open(t, pgvector.Config{Dimension: 2})
	good := []float32{1, 0}
	odd := `a "quoted", {braced} \ and é NULL`
	require.NoError(t, x.Put(t.Context(), vector.Row{ID: odd, Vector: good, Labels: []string{odd, "NULL", " "}}))
	for _, wrong := range []string{"a\x00b", "\xff", "caf\xc3"} {
		require.ErrorIs(t, x.Put(t.Context(), vector.Row{ID: wrong, Vector: good}), vector.ErrInvalid)
		require.ErrorIs(t, x.Put(t.Context(), vector.Row{ID: "b", Vector: good, Labels: []string{wrong}}), vector.ErrInvalid)
		require.ErrorIs(t, x.Delete(t.Context(), odd, wrong), vector.ErrInvalid)
		_, err := x.Search(t.Context(), vector.Query{Vector: good, K: 1, After: &vector.Hit{ID: wrong, Score: 2}})
		require.ErrorIs(t, err, vector.ErrInvalid)
		for filter, want := range map[string]int{wrong: 0, odd: 1, "NULL": 1, " ": 1} {
			hits, err := x.Search(t.Context(), vector.Query{Vector: good, K: 5, Filter: vector.Filter{{wrong, filter}}})
			require.NoError(t, err)
			require.Len(t, hits, want, "%q", filter)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	x := open(t, pgvector.Config{Name: "test_load", Dimension: 2, BuildingMemory: 8})
	require.NoError(t, x.Put(t.Context(), vector.Row{ID: "old", Vector: []float32{0, 1}}, vector.Row{ID: "a", Vector: []float32{0, 1}}))
	broken := errors.New("broken")
	for name, end := range map[string]struct {
		row vector.Row
		err error
		is  error
	}{
		"a source that breaks off": {err: broken, is: broken},
		"a wrong row":              {row: vector.Row{ID: "z", Vector: []float32{0, 0}}, is: vector.ErrInvalid},
	} {
		err := x.Load(t.Context(), func(yield func(vector.Row, error) bool) {
			_ = yield(vector.Row{ID: "new", Vector: []float32{1, 0}}, nil) && yield(end.row, end.err)
		})
		require.ErrorIs(t, err, end.is, name)
		n, err := x.Len(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n, name)
	}
	require.NoError(t, x.Load(t.Context(), func(yield func(vector.Row, error) bool) {
		for _, v := range [][]float32{{0, 1}, {1, 0}} { // of two rows with one id the later counts
			if !yield(vector.Row{ID: "a", Vector: v, Labels: []string{"l"}}, nil) {
				return
			}
		}
	}))
	hits, err := x.Search(t.Context(), vector.Query{Vector: []float32{1, 0}, K: 5})
	require.NoError(t, err)
	require.Equal(t, []vector.Hit{{ID: "a", Score: 1}}, hits)
	var graphs int
	require.NoError(t, testkit.PGVector(t).QueryRowContext(t.Context(),
		"SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%' AND tablename = 'vectors_test_load'").Scan(&graphs))
	require.Equal(t, 1, graphs)
}

func TestNotesStayWithTheirIndex(t *testing.T) {
	t.Parallel()
	x := open(t, pgvector.Config{Name: "test_notes", Dimension: 2})
	note, err := x.Note(t.Context())
	require.NoError(t, err)
	require.Empty(t, note)
	for _, want := range []string{"log:17", `it's \'quoted\ "twice" $1`, ""} {
		require.NoError(t, x.SetNote(t.Context(), want))
		note, err = x.Note(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, note)
	}
	require.ErrorIs(t, x.SetNote(t.Context(), "a\x00b"), vector.ErrInvalid)
	require.NoError(t, x.SetNote(t.Context(), "kept"))
	notes, err := pgvector.Notes(t.Context(), testkit.PGVector(t))
	require.NoError(t, err)
	require.Equal(t, "kept", notes["test_notes"])
	require.NoError(t, x.Drop(t.Context()))
	note, err = x.Note(t.Context())
	require.NoError(t, err)
	require.Empty(t, note)
	notes, err = pgvector.Notes(t.Context(), testkit.PGVector(t))
	require.NoError(t, err)
	require.NotContains(t, notes, "test_notes")
}
