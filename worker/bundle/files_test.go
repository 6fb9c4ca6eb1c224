package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lay writes files and links below root; a link's content is "-> TARGET".
func lay(t *testing.T, root string, all map[string]string) {
	t.Helper()
	for name, content := range all {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		if len(content) > 3 && content[:3] == "-> " {
			require.NoError(t, os.Symlink(content[3:], path))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
}

const marianConfig = `{"model_type": "marian"}`

// A snapshot of a hub's cache is links into its blobs; a folder of graphs may be a link to
// one elsewhere.
func TestLinksAreFollowed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	root, other := t.TempDir(), t.TempDir()
	lay(t, other, map[string]string{"model.onnx": "a graph of some bytes"})
	lay(t, root, map[string]string{
		"models--a--b/blobs/1":                          marianConfig,
		"models--a--b/blobs/2":                          "a graph of some bytes",
		"models--a--b/snapshots/c0ffee/config.json":     "-> ../../blobs/1",
		"models--a--b/snapshots/c0ffee/onnx/model.onnx": "-> ../../../blobs/2",
		"linked":             "-> models--a--b/snapshots/c0ffee",
		"folder/config.json": marianConfig,
		"folder/onnx":        "-> " + other,
	})
	for _, dir := range []string{"models--a--b/snapshots/c0ffee", "linked", "folder"} {
		b, err := Open(filepath.Join(root, filepath.FromSlash(dir)))
		require.NoError(t, err)
		checks, err := b.Check()
		require.NoError(t, err, dir)
		require.Len(t, checks, 2, dir)
		assert.Equal(t, "onnx/model.onnx", checks[1].Path)
		assert.Equal(t, int64(21), checks[1].Size)
		s, err := b.Summary()
		require.NoError(t, err)
		assert.Equal(t, int64(21+len(marianConfig)), s.Size, dir)
		assert.Equal(t, memory(map[string]int64{"onnx/model.onnx": 21}), s.Memory, dir)
		// The digest is that of what the link points to.
		require.NoError(t, os.WriteFile(filepath.Join(root, dir, "manifest.json"), []byte(`{"files": {"onnx/model.onnx": {"size": 21, "sha256": "00"}}}`), 0o600))
		_, err = b.Check()
		assert.ErrorContains(t, err, "digest differs", dir)
		require.NoError(t, os.Remove(filepath.Join(root, dir, "manifest.json")))
	}
}

func TestLinksThatLeadNowhereAreRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	for want, links := range map[string]map[string]string{
		"in a circle":          {"onnx": "-> ."},
		"through too many":     {"a/x": "-> ../b", "b/y": "-> ../a"},
		"the model is missing": {"onnx/model.onnx": "-> nowhere"},
	} {
		dir := filepath.Join(t.TempDir(), "models", "one")
		lay(t, dir, map[string]string{"config.json": marianConfig})
		lay(t, dir, links)
		b, err := Open(dir)
		require.NoError(t, err)
		_, err = b.Check()
		require.ErrorContains(t, err, want)
		assert.Equal(t, want == "the model is missing", errors.Is(err, ErrMissing), want)
		_, err = b.Summary()
		require.ErrorContains(t, err, want)
	}
}
