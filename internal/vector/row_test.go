package vector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/vector"
)

func TestTheVectorOfARow(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", t.TempDir()} {
		x, err := vector.New(vector.Config{Dimension: 3, Folder: folder})
		require.NoError(t, err)
		require.NoError(t, x.Put(t.Context(), vector.Row{ID: "a", Vector: []float32{3, 0, 4}}, vector.Row{ID: "b", Vector: []float32{0, 2, 0}}))
		v, ok, err := x.Vector("a")
		require.NoError(t, err)
		require.True(t, ok)
		require.InDeltaSlice(t, []float32{0.6, 0, 0.8}, v, 1e-6)
		require.NoError(t, x.Put(t.Context(), vector.Row{ID: "a", Vector: []float32{0, 0, 1}}))
		v[0] = 7 // the caller's own
		v, _, err = x.Vector("a")
		require.NoError(t, err)
		require.Equal(t, []float32{0, 0, 1}, v)
		require.NoError(t, x.Delete(t.Context(), "a"))
		_, ok, err = x.Vector("a")
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, x.Close())
		_, _, err = x.Vector("b")
		require.ErrorIs(t, err, vector.ErrClosed)
	}
}
