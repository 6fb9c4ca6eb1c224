package app

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/config"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
	"parley/internal/vector/pgvector"
)

// With a database of vectors a search finds what pictures show, and words answer once it
// is away.
func TestVectorsAreSearchedInADatabase(t *testing.T) {
	t.Parallel()
	server := testkit.PGVectorServer(t)
	w := six(t, "vectors-url", server.URL, "db-conns", "1")
	for query, name := range map[string]string{"an apple": "0.png", "winter": "4.png"} {
		got := w.find(t, w.Owner, gqlclient.Vars{"query": query})
		require.Len(t, got.names(), 6, query)
		assert.Equal(t, name, got.names()[0], query)
		assert.False(t, got.SearchStickers.Degraded)
		assert.Greater(t, got.SearchStickers.Edges[0].Matched.Picture, 0.9, query)
	}
	w.captioned(t, w.Admin, "PUBLIC", "ball.png", "a green ball")
	require.NoError(t, server.Kill())
	got := w.find(t, w.Owner, gqlclient.Vars{"query": "green ball"})
	assert.Equal(t, []string{"ball.png"}, got.names())
	assert.True(t, got.SearchStickers.Degraded)
}

func TestADatabaseWithoutPgvectorIsRefused(t *testing.T) {
	t.Parallel()
	p := &parts{cfg: &config.Config{VectorsURL: testkit.Postgres(t), DBConns: 1}}
	_, err := p.openVectors(t.Context())
	require.ErrorContains(t, err, "vectors-url: ")
	require.ErrorIs(t, err, pgvector.ErrNoExtension)
	require.NoError(t, p.Close())
}

func TestADatabaseOfVectorsMayBeAwayAtTheStart(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "vectors-url", "postgres://127.0.0.1:1/x")
	w.captioned(t, w.Admin, "PUBLIC", "ball.png", "a green ball")
	got := w.find(t, w.Owner, gqlclient.Vars{"query": "green ball"})
	assert.Equal(t, []string{"ball.png"}, got.names())
	assert.True(t, got.SearchStickers.Degraded)
}
