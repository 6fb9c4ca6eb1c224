package vector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/vector"
	"parley/internal/vector/vectortest"
)

func open(t testing.TB, cfg vector.Config) *vector.Exact {
	t.Helper()
	x, err := vector.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func TestExactFulfilsTheContract(t *testing.T) {
	t.Parallel()
	vectortest.Run(t, func(t *testing.T, dimension int) vectortest.Subject {
		return vectortest.Subject{Index: open(t, vector.Config{Dimension: dimension}), Recall: 1}
	})
}

func TestExactWithVectorsOnDiskFulfilsTheContract(t *testing.T) {
	t.Parallel()
	vectortest.Run(t, func(t *testing.T, dimension int) vectortest.Subject {
		return vectortest.Subject{Index: open(t, vector.Config{Dimension: dimension, Folder: t.TempDir()}), Recall: 1}
	})
}
