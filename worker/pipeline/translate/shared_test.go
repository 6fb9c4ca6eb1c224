package translate

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/tokenizer"
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

// bench is a loaded bundle with its reference.
type bench struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	generator *pipeline.Generator
	reference *pipeline.Reference
}

func load(t testing.TB, dir string) *bench {
	t.Helper()
	startRuntime(t)
	b := opened(t, dir)
	tok, err := tokenizer.Open(dir)
	require.NoError(t, err)
	m, err := openSeq2seq(b, 2)
	require.NoError(t, err)
	d := newDecoding(m)
	t.Cleanup(func() {
		d.close()
		assert.NoError(t, m.close())
	})
	ref, err := pipeline.ReadReference(dir)
	require.NoError(t, err)
	return &bench{bundle: b, tokenizer: tok, generator: pipeline.NewGenerator(d), reference: ref}
}

func (l *bench) settings(t testing.TB, raw json.RawMessage) bundle.Generation {
	t.Helper()
	g, err := l.bundle.Generation.With(raw)
	require.NoError(t, err)
	return g
}

// generate runs a batch and gives the outputs in the order of the inputs.
func (l *bench) generate(t testing.TB, g bundle.Generation, inputs ...[]int64) [][]int64 {
	t.Helper()
	outputs := make([][]int64, len(inputs))
	err := l.generator.Run(t.Context(), pipeline.Batch{Inputs: inputs, Settings: g, Done: func(i int, ids []int64) { outputs[i] = ids }})
	require.NoError(t, err)
	return outputs
}
