package model

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/pipeline"
)

func verify(t *testing.T, dir string) *pipeline.Findings {
	t.Helper()
	r, err := Verify(t.Context(), dir, pipeline.Options{})
	require.NoError(t, err)
	return r
}

func TestVerifyFindsGoodBundlesGood(t *testing.T) {
	startRuntime(t)
	r := verify(t, testkit.Model(t, "translate-mini"))
	if !r.OK || !r.Loaded || !r.Reference || r.Digests() != "ok" || r.Cases != (pipeline.Tally{Total: 144, Equal: 144}) || r.Batch.Total == 0 || r.Tokens.Total == 0 {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"marian-random", "nllb-random", "t5-random", "qwen2-random", "bert-random", "clip-random"} {
		r = verify(t, testkit.Shared(t, "models", "random", name))
		assert.True(t, r.OK && r.Runnable && r.Loaded && r.Digests() == "not recorded" && r.Cases.Total != 0 && r.Cases.Equal == r.Cases.Total && r.Tokens.Total != 0, "%s: %+v", name, r)
	}
}

func TestVerifyTellsWhatIsWrong(t *testing.T) {
	startRuntime(t)
	r := verify(t, filepath.Join(t.TempDir(), "none"))
	assert.False(t, r.OK, "no folder: %+v", r)
	assert.Len(t, r.Problems, 1, "no folder: %+v", r)
	dir := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Model(t, "translate-mini"))))
	path := filepath.Join(dir, "onnx", "decoder_model_merged.onnx")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[len(data)/2] ^= 0x40
	overwrite(t, path, data)
	r = verify(t, dir)
	assert.False(t, r.OK, "flipped bit: %+v", r)
	assert.Equal(t, "1 bad", r.Digests(), "flipped bit: %+v", r)
	assert.Contains(t, strings.Join(r.Problems, " "), "decoder_model_merged.onnx", "flipped bit: %+v", r)
	// Without a manifest the damage shows in loading or in the cases.
	require.NoError(t, os.Remove(filepath.Join(dir, "manifest.json")))
	overwrite(t, path, data[:len(data)/2])
	r = verify(t, dir)
	assert.False(t, r.OK, "half a file: %+v", r)
	assert.False(t, r.Loaded, "half a file: %+v", r)
	assert.NotEmpty(t, r.Problems, "half a file: %+v", r)
	data[len(data)/2] ^= 0x40
	overwrite(t, path, data)
	overwrite(t, filepath.Join(dir, "reference.json"), []byte(`{"cases": [{"input": "a", "input_ids": [6, 0], "settings": {"num_beams": 1}, "output_ids": [7999, 5, 0], "output_text": ","}]}`))
	r = verify(t, dir)
	assert.True(t, !r.OK && r.Loaded && r.Cases == (pipeline.Tally{Total: 1}) && len(r.Differences) == 1, "other reference: %+v", r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Verify(ctx, dir, pipeline.Options{})
	assert.ErrorIs(t, err, context.Canceled)
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o600))
}
