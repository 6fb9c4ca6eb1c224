package bundle

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// An identity changes with what the numbers depend on, and with nothing else.
func TestIdentity(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Shared(t, "models", "random", "clip-random"))))
	identity := func() string {
		b, err := Open(dir)
		require.NoError(t, err)
		got, err := b.Identity("text_model", "vision_model")
		require.NoError(t, err)
		return got
	}
	before := identity()
	assert.Len(t, before, 64)
	for _, name := range []string{"README.md", "reference.json", "parley.json", "manifest.json", "onnx/text_model_quantized.onnx", ".hidden.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(`{}`), 0o600))
		assert.Equal(t, before, identity(), name)
	}
	for _, name := range []string{"tokenizer.json", "preprocessor_config.json", "merges.txt", "1_Pooling/config.json"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		data, _ := os.ReadFile(path)
		require.NoError(t, os.WriteFile(path, append(data, ' '), 0o600))
		after := identity()
		assert.NotEqual(t, before, after, name)
		before = after
	}
	b, err := Open(dir)
	require.NoError(t, err)
	text, err := b.Identity("text_model")
	require.NoError(t, err)
	assert.NotEqual(t, before, text, "a part of the graphs")
	_, err = b.Identity("none")
	assert.ErrorIs(t, err, ErrMissing)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "onnx", "text_model.onnx"), []byte("no graph"), 0o600))
	_, err = b.Identity("text_model")
	assert.ErrorIs(t, err, ErrBroken)
}
