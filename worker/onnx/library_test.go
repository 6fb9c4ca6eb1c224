package onnx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindLibrary(t *testing.T) {
	t.Setenv(LibraryVariable, "")
	root := t.TempDir()
	inner := filepath.Join(root, "a", "b")
	require.NoError(t, os.MkdirAll(inner, 0o750))
	t.Chdir(inner)
	path, err := FindLibrary("")
	assert.NoError(t, err, "nowhere")
	assert.Empty(t, path, "nowhere")
	packaged := filepath.Join(root, packagePath())
	named := filepath.Join(root, "named.so")
	for _, path := range []string{packaged, named} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	path, err = FindLibrary("")
	assert.NoError(t, err, "node_modules of a parent: %q", path)
	assert.True(t, sameFile(path, packaged), "node_modules of a parent: %q", path)
	path, err = FindLibrary(named)
	assert.NoError(t, err, "setting")
	assert.Equal(t, named, path, "setting")
	t.Setenv(LibraryVariable, named)
	path, err = FindLibrary("")
	assert.NoError(t, err, "environment")
	assert.Equal(t, named, path, "environment")
	t.Setenv(LibraryVariable, filepath.Join(root, "none.so"))
	_, err = FindLibrary("")
	assert.Error(t, err, "a named file that is missing")
	assert.ErrorContains(t, err, "none.so", "a named file that is missing")
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
