package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/tokenizer"
)

// shared gives a path of the test data that lies beside the repository. Only
// outside CI may it be missing.
func shared(t testing.TB, path ...string) string {
	t.Helper()
	return mustHave(t, filepath.Join(append([]string{"..", "..", "..", "shared"}, path...)...))
}

// shipped gives the folder of a bundle that comes with the project.
func shipped(t testing.TB, name string) string {
	t.Helper()
	return mustHave(t, filepath.Join("..", "..", "models", name))
}

func mustHave(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("test data is missing: %v", err)
		}
		t.Skipf("SKIPPED: test data is missing: %v", err)
	}
	return path
}

// runtime loads ONNX Runtime, which only outside CI may be missing.
func runtime(t testing.TB) {
	t.Helper()
	if err := onnx.Start(""); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: %v", err)
	}
}

// bench is a loaded bundle with its reference.
type bench struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	model     *seq2seq
	generator *generator
	reference *reference
}

func load(t testing.TB, dir string) *bench {
	t.Helper()
	runtime(t)
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := openSeq2seq(b, 2)
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerator(m)
	t.Cleanup(func() {
		g.close()
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	ref, err := readReference(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{bundle: b, tokenizer: tok, model: m, generator: g, reference: ref}
}

func (l *bench) settings(t testing.TB, raw json.RawMessage) bundle.Generation {
	t.Helper()
	g, err := l.bundle.Generation.With(raw)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// generate runs a batch and gives the outputs in the order of the inputs.
func (l *bench) generate(t testing.TB, g bundle.Generation, inputs ...[]int64) [][]int64 {
	t.Helper()
	outputs := make([][]int64, len(inputs))
	err := l.generator.run(t.Context(), batch{inputs: inputs, settings: g, done: func(i int, ids []int64) { outputs[i] = ids }})
	if err != nil {
		t.Fatal(err)
	}
	return outputs
}
