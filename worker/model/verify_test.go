package model

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/testkit"
	"parley/worker/pipeline"
)

func verify(t *testing.T, dir string) *pipeline.Findings {
	t.Helper()
	r, err := Verify(t.Context(), dir, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyFindsGoodBundlesGood(t *testing.T) {
	startRuntime(t)
	r := verify(t, testkit.Model(t, "translate-mini"))
	if !r.OK || !r.Loaded || !r.Reference || r.Digests() != "ok" || r.Cases != (pipeline.Tally{Total: 144, Equal: 144}) || r.Batch.Total == 0 || r.Tokens.Total == 0 {
		t.Errorf("%+v", r)
	}
	r = verify(t, testkit.Shared(t, "models", "random", "marian-random"))
	if !r.OK || r.Digests() != "not recorded" || r.Cases.Total == 0 || r.Cases.Equal != r.Cases.Total {
		t.Errorf("%+v", r)
	}
	r = verify(t, testkit.Shared(t, "models", "random", "gpt2-random"))
	if !r.OK || r.Runnable || r.Kind == "" || r.Loaded {
		t.Errorf("%+v", r)
	}
}

func TestVerifyTellsWhatIsWrong(t *testing.T) {
	startRuntime(t)
	if r := verify(t, filepath.Join(t.TempDir(), "none")); r.OK || len(r.Problems) != 1 {
		t.Errorf("no folder: %+v", r)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(testkit.Model(t, "translate-mini"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "onnx", "decoder_model_merged.onnx")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x40
	overwrite(t, path, data)
	if r := verify(t, dir); r.OK || r.Digests() != "1 bad" || !strings.Contains(strings.Join(r.Problems, " "), "decoder_model_merged.onnx") {
		t.Errorf("flipped bit: %+v", r)
	}
	// Without a manifest the damage shows in loading or in the cases.
	if err := os.Remove(filepath.Join(dir, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, data[:len(data)/2])
	if r := verify(t, dir); r.OK || r.Loaded || len(r.Problems) == 0 {
		t.Errorf("half a file: %+v", r)
	}
	data[len(data)/2] ^= 0x40
	overwrite(t, path, data)
	overwrite(t, filepath.Join(dir, "reference.json"), []byte(`{"cases": [{"input": "a", "input_ids": [6, 0], "settings": {"num_beams": 1}, "output_ids": [7999, 5, 0], "output_text": ","}]}`))
	if r := verify(t, dir); r.OK || !r.Loaded || r.Cases != (pipeline.Tally{Total: 1}) || len(r.Differences) != 1 {
		t.Errorf("other reference: %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, dir, pipeline.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
