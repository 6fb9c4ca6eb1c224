package decoder_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
	"parley/worker/tokenizer"
)

// BenchmarkTokens gives translated tokens a second by batch size and beams,
// over the sentences of the reference.
func BenchmarkTokens(b *testing.B) {
	l := load(b, "translate-mini")
	var inputs [][]int64
	seen := map[string]bool{}
	for _, c := range l.reference.Cases {
		if !seen[c.Input] {
			seen[c.Input] = true
			inputs = append(inputs, c.InputIDs)
		}
	}
	for _, beams := range []int{1, 4} {
		settings := l.bundle.Generation
		settings.NumBeams = beams
		for _, size := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("beams=%d/batch=%d", beams, size), func(b *testing.B) {
				written, next := 0, 0
				start := time.Now()
				for b.Loop() {
					var part [][]int64
					for range size {
						part = append(part, inputs[next%len(inputs)])
						next++
					}
					requests := make([]*pipeline.Request, len(part))
					for i, ids := range part {
						requests[i] = &pipeline.Request{Input: ids, Settings: settings, Done: func(o []pipeline.Output) { written += len(o[0].Tokens) - 1 }}
					}
					l.run(b, requests, nil)
				}
				b.ReportMetric(float64(written)/time.Since(start).Seconds(), "tokens/s")
			})
		}
	}
}

// BenchmarkLoad is how long a bundle takes until it can run.
func BenchmarkLoad(b *testing.B) {
	dir := testkit.Shared(b, "models", "translate-mini")
	require.NoError(b, onnx.Start(testkit.ONNX(b)))
	for b.Loop() {
		opened, err := bundle.Open(dir)
		require.NoError(b, err)
		_, err = tokenizer.Open(dir)
		require.NoError(b, err)
		m, err := decoder.OpenSeq2seq(opened, 2)
		require.NoError(b, err)
		require.NoError(b, m.Close())
	}
}
