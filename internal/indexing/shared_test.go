package indexing_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/indexing"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
	"parley/internal/vector"
	"parley/internal/vector/pgvector"
)

// tables counts what a shared database has of an index.
func (w *world) tables(index string) (n int) {
	w.t.Helper()
	notes, err := pgvector.Notes(w.t.Context(), w.shared)
	require.NoError(w.t, err)
	_, id, _ := strings.Cut(strings.ToLower(index), "_")
	for name := range notes {
		if strings.HasPrefix(name, id) {
			n++
		}
	}
	return n
}

// Who keeps a shared database current is followed by another process, which takes what
// happened meanwhile; where the log has forgotten that, it is filled anew.
func TestASharedDatabaseIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Postgres(t))
	w.shared = testkit.PGVector(t)
	one := w.start("", indexing.Config{})
	stop := w.work("random", "clip-random")
	for i := range 6 {
		one.put(thing{id: fmt.Sprintf("thing_%d", i), words: fmt.Sprint("words ", i), labels: "public"})
	}
	id := one.active(6, 0).ID
	two := w.start("", indexing.Config{})
	two.active(6, 0)
	one.stop()
	two.put(thing{id: "thing_6", words: "words 6", labels: "public"})
	two.active(7, 0)
	stop()
	two.stop()
	away := w.open("", indexing.Config{})
	away.delete("thing_0")
	away.put(thing{id: "thing_1", words: "words 1", labels: "owner:user_1"})
	three := w.start("", indexing.Config{})
	eventually(t, "what happened while nobody wrote", func() bool {
		g, ok := three.follower.Active()
		return ok && len(found(t, g, indexing.Words, vector.Filter{{"owner:user_1"}})) == 1
	})
	three.active(6, 0)
	three.stop()
	away.delete("thing_2")
	require.NoError(t, away.positioned())
	_, err := away.store.Exec(t.Context(), "DELETE FROM events")
	require.NoError(t, err)
	_, err = away.store.Exec(t.Context(), "UPDATE event_log SET trimmed = 100000")
	require.NoError(t, err)
	four := w.start("", indexing.Config{})
	g := four.active(5, 0)
	assert.Equal(t, id, g.ID)
	assert.NotContains(t, found(t, g, indexing.Words, nil), "thing_2")
}

// A model whose vectors the database does not take is no candidate.
func TestTooLargeVectorsAreNotBuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	o := w.office(indexing.Config{MaxDimensions: 1})
	o.put(thing{id: "thing_1", words: "old", labels: "public"})
	_, _, err := o.Rebuild(admin(t), "model")
	o.code("NOT_FOUND", err)
	all, err := o.List(admin(t))
	require.NoError(t, err)
	assert.Empty(t, all)
}
