package vector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/vector"
)

func TestAClosedIndexHasNoVectors(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", t.TempDir()} {
		x, err := vector.New(vector.Config{Dimension: 2, Folder: folder})
		require.NoError(t, err)
		require.NoError(t, x.Put(t.Context(), vector.Row{ID: "a", Vector: []float32{0, 2}}))
		require.NoError(t, x.Close())
		_, _, err = x.Vector(t.Context(), "a")
		require.ErrorIs(t, err, vector.ErrClosed)
	}
}
