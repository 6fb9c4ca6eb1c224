package decoder

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// A prompt that is read in parts, with others joining in between, goes on as one that
// is read whole.
func TestPromptsInPartsGoOnAsWhole(t *testing.T) {
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	for _, dir := range []string{testkit.Shared(t, "models", "caption-mini"), testkit.Shared(t, "models", "random", "gpt2-random"), filepath.Join("testdata", "shared-caches")} {
		b, err := bundle.Open(dir)
		require.NoError(t, err)
		m, err := OpenCausal(b, 2)
		require.NoError(t, err)
		var outputs [2][][]int64
		for i, size := range []int{256, 16} {
			readerOf(m).part = size
			outputs[i] = writeAll(t, m, b.Generation)
		}
		assert.Equal(t, outputs[0], outputs[1], dir)
		assert.NoError(t, m.Close())
	}
}

// writeAll writes behind prompts of many lengths, which join one by one.
func writeAll(t *testing.T, m Model, settings bundle.Generation) [][]int64 {
	t.Helper()
	settings.DoSample, settings.MaxNewTokens, settings.EOS = false, new(12), nil
	settings.RepetitionPenalty = 1
	lengths := []int{1, 15, 16, 17, 33, 64, 90}
	outputs := make([][]int64, len(lengths))
	next := 0
	more := func() []*pipeline.Request {
		if next == len(lengths) {
			return nil
		}
		i := next
		next++
		input := make([]int64, lengths[i])
		for at := range input {
			input[at] = int64(5 + (at*7+i)%100)
		}
		return []*pipeline.Request{{Input: input, Settings: settings, Done: func(o []pipeline.Output) { outputs[i] = o[0].Tokens }}}
	}
	require.NoError(t, pipeline.NewGenerator(m, pipeline.NewGate(1)).Run(t.Context(), more(), more))
	for i, o := range outputs {
		assert.Len(t, o, lengths[i]+12)
	}
	return outputs
}

// Many short rows and later a long one never take the room of many long ones.
func TestRoomIsForTheRowsThatThereAre(t *testing.T) {
	t.Parallel()
	m := newShared(&language{caches: []shape{{heads: 1, dim: 1}}})
	defer m.buffers[0].Free()
	m.rows = slices.Repeat([]int{9}, 16)
	require.NoError(t, m.reserve(16, 10))
	m.rows = []int{9}
	require.NoError(t, m.reserve(1, 20_000))
	assert.LessOrEqual(t, m.slots*m.room, 40_000)
	require.NoError(t, m.reserve(16, 10))
	assert.LessOrEqual(t, m.slots*m.room, 40_000)
}

// Sizes that no memory has are refused when a model is loaded.
func TestImpossibleSizesAreRefused(t *testing.T) {
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	b, err := bundle.Open(testkit.Shared(t, "models", "random", "gpt2-random"))
	require.NoError(t, err)
	path, err := b.Graph("model")
	require.NoError(t, err)
	g, err := openGraph(path, 1)
	require.NoError(t, err)
	defer func() { assert.NoError(t, g.session.Close()) }()
	for i := range g.session.Inputs() {
		if g.inputs[i].part == partSelf {
			g.session.Inputs()[i].Shape = []int64{-1, 1 << 40, -1, 1 << 40}
		}
	}
	_, err = g.shapes(1, 1)
	assert.ErrorIs(t, err, bundle.ErrBroken)
}
