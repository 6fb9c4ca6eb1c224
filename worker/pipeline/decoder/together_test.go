package decoder

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// Samples of one prompt read it once, and come out as those that read it each by itself.
func TestEqualPromptsAreReadOnce(t *testing.T) {
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	for _, dir := range []string{testkit.Shared(t, "models", "caption-mini"), filepath.Join("testdata", "shared-caches")} {
		b, err := bundle.Open(dir)
		require.NoError(t, err)
		m, err := OpenCausal(b, 2)
		require.NoError(t, err)
		settings := b.Generation
		settings.DoSample, settings.MaxNewTokens, settings.EOS = true, new(9), nil
		input := make([]int64, 50)
		for i := range input {
			input[i] = int64(5 + i*7%100)
		}
		var together, alone [5][]int64
		requests := func(into *[5][]int64) []*pipeline.Request {
			var all []*pipeline.Request
			for i := range into {
				all = append(all, &pipeline.Request{Input: input, Settings: settings, Seed: 3, Sequence: i, Done: func(o []pipeline.Output) { into[i] = o[0].Tokens }})
			}
			return all
		}
		g := pipeline.NewGenerator(m, pipeline.NewGate(1))
		require.NoError(t, g.Run(t.Context(), requests(&together), nil))
		for _, r := range requests(&alone) {
			require.NoError(t, g.Run(t.Context(), []*pipeline.Request{r}, nil))
		}
		assert.Equal(t, alone, together, dir)
		assert.NotEqual(t, together[0], together[1])

		all := requests(&together)
		dropped := false
		all[0].Dropped = func() bool { return dropped }
		require.NoError(t, m.Read(append(all[:2:2], &pipeline.Request{Input: input[:20], Settings: settings})))
		_, _, err = m.ReadOn(t.Context())
		require.NoError(t, err)
		require.NoError(t, m.Read(all[2:]))
		dropped = true
		require.True(t, m.Reads())
		read, logits, err := m.ReadOn(t.Context())
		require.NoError(t, err)
		assert.Equal(t, all[1:], read, "they came later and did not share what was read")
		assert.Len(t, logits, 4*m.Dimensions().Vocabulary)
		assert.False(t, m.Reads(), "a prompt was read again")
		m.Reset()
		assert.NoError(t, m.Close())
	}
}
