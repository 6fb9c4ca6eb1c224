package hub

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRemove(t *testing.T) {
	t.Parallel()
	models := t.TempDir()
	write(t, models, "one/config.json", []byte("{}"))
	write(t, models, "one/onnx/model.onnx", graph(5))
	write(t, models, "two/model_index.json", []byte("{}"))
	write(t, models, "notes/of mine.txt", nil)
	write(t, models, "file", nil)
	outside := t.TempDir()
	write(t, outside, "config.json", []byte("{}"))
	require.NoError(t, os.Symlink(outside, filepath.Join(models, "link")))
	for name, tt := range map[string]struct {
		want  error
		words string
	}{
		"none": {ErrMissing, "parley models list"}, "notes": {ErrRequest, "is no bundle"}, "file": {ErrRequest, "is no bundle"}, "link": {ErrRequest, "is a link"},
		"..": {ErrRequest, "is no folder of"}, ".": {ErrRequest, "is no folder of"}, "": {ErrRequest, "is no folder of"}, "one/onnx": {ErrRequest, "is no folder of"},
		"../" + filepath.Base(outside): {ErrRequest, "is no folder of"}, outside: {ErrRequest, "is no folder of"}, ".pull-x": {ErrRequest, "is no folder of"}, "one\x00": {ErrRequest, "is no folder of"},
	} {
		err := Remove(models, name)
		assert.ErrorIs(t, err, tt.want, "%q", name)
		assert.ErrorContains(t, err, tt.words, "%q", name)
	}
	// What a removal that was killed left goes with the next.
	write(t, models, ".removed-one-123/one/config.json", []byte("{}"))
	before := names(t, models)
	require.NoError(t, Remove(models, "one"))
	assert.Len(t, names(t, models), len(before)-7, "%v", names(t, models))
	assert.FileExists(t, filepath.Join(models, "two", "model_index.json"))
	assert.FileExists(t, filepath.Join(outside, "config.json"))
	assert.ErrorIs(t, Remove(models, "one"), ErrMissing)
}

func TestExchange(t *testing.T) {
	t.Parallel()
	for name, exchange := range map[string]func(string, string) error{"at once": exchange, "by turns": exchangeByTurns} {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		write(t, a, "new", nil)
		write(t, b, "old", nil)
		require.NoError(t, exchange(a, b), name)
		assert.Equal(t, []string{"a/", "a/old", "b/", "b/new"}, names(t, dir), name)
		require.NoError(t, os.RemoveAll(a))
		assert.Error(t, exchange(a, b), name)
		assert.Equal(t, []string{"b/", "b/new"}, names(t, dir), "%s: a failure is undone", name)
	}
}

func TestFreeSpace(t *testing.T) {
	t.Parallel()
	free, err := freeSpace(t.TempDir())
	require.NoError(t, err)
	assert.NotZero(t, free)
	_, err = freeSpace(filepath.Join(t.TempDir(), "nowhere"))
	assert.Error(t, err)
}
