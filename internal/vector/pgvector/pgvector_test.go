package pgvector_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/internal/vector/pgvector"
	"parley/internal/vector/vectortest"
)

// open makes an empty index of the test's own.
func open(t testing.TB, cfg pgvector.Config) *pgvector.Index {
	t.Helper()
	cfg.DB = testkit.PGVector(t)
	if cfg.Name == "" {
		cfg.Name = strings.ToLower("test_" + rand.Text())
	}
	x, err := pgvector.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, x.Drop(context.WithoutCancel(t.Context())), "drop the test's index") })
	return x
}

// The graph is a small one, so that it is made within the time of a test; searches
// make up for it.
func TestContract(t *testing.T) {
	t.Parallel()
	vectortest.Run(t, func(t *testing.T, dimension int) vectortest.Subject {
		return vectortest.Subject{Index: open(t, pgvector.Config{Dimension: dimension, Neighbours: 6, Building: 20, Searching: 800}), Recall: 0.98}
	})
}
