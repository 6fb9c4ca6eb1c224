package translate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
)

// startRuntime loads ONNX Runtime.
func startRuntime(t testing.TB) {
	t.Helper()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
}

// opened reads the bundle in dir.
func opened(t testing.TB, dir string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	return b
}
