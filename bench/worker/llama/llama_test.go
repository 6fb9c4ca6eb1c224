package llama_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/bench/worker/llama"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
)

func TestAHundredMillionIsAHundredMillion(t *testing.T) {
	t.Parallel()
	assert.InEpsilon(t, 100e6, llama.Hundred.Parameters(), 0.01)
}

// Both layouts are the same model, so that they write the same.
func TestTheLayoutsWriteTheSame(t *testing.T) {
	t.Parallel()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	small := llama.Size{Vocabulary: 4000, Width: 64, Heads: 4, KeyHeads: 2, Inner: 96, Layers: 2, Positions: 96}
	for _, precision := range []llama.Precision{llama.Full, llama.Four} {
		written := map[llama.Layout][]int64{}
		for _, layout := range []llama.Layout{llama.Concatenated, llama.Shared} {
			dir := filepath.Join(t.TempDir(), string(layout))
			require.NoError(t, llama.Write(dir, filepath.Join(testkit.Root(), "models", "caption-mini"), small, layout, precision))
			b, err := bundle.Open(dir)
			require.NoError(t, err)
			m, err := decoder.OpenCausal(b, 1)
			require.NoError(t, err)
			settings, err := b.Generation.With([]byte(`{"max_new_tokens": 40, "min_new_tokens": 40}`))
			require.NoError(t, err)
			input := []int64{5, 3000, 17, 99, 1204, 7, 42, 77, 8}
			r := &pipeline.Request{Input: input, Settings: settings, Done: func(o []pipeline.Output) { written[layout] = o[0].Tokens }}
			require.NoError(t, pipeline.NewGenerator(m, pipeline.NewGate(1)).Run(t.Context(), []*pipeline.Request{r}, nil))
			require.NoError(t, m.Close())
		}
		require.Len(t, written[llama.Shared], 49, precision)
		assert.Equal(t, written[llama.Concatenated], written[llama.Shared], precision)
		distinct := slices.Compact(slices.Sorted(slices.Values(written[llama.Shared][9:])))
		assert.Greater(t, len(distinct), 3, "it writes one thing only")
	}
}
