package bundle

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"parley/internal/testkit"
)

var update = flag.Bool("update", false, "write the manifests of the shipped bundles anew")

// Every bundle that comes with the project is what its manifest says, whole.
func TestShippedBundles(t *testing.T) {
	dirs, err := List(filepath.Join("..", "..", "models"))
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		t.Fatal("no bundle")
	}
	for _, dir := range dirs {
		if *update {
			if err := writeManifest(dir); err != nil {
				t.Fatal(err)
			}
		}
		b, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		checks, err := b.Check()
		if err != nil {
			t.Error(err)
		}
		for _, c := range checks {
			if c.Digest != "ok" {
				t.Errorf("%s: %s: %s", dir, c.Path, c.Digest)
			}
		}
		if b.Card.Licence == "" {
			t.Errorf("%s names no licence", dir)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]Kind{
		"translate-mini": KindMarian, "random/marian-random": KindMarian, "random/nllb-random": KindNLLB, "random/t5-random": KindT5,
		"random/gpt2-random": KindCausal, "random/qwen2-random": KindCausal, "random/bert-random": KindEmbedding,
		"random/clip-random": KindCLIP, "random/lcm-random": KindDiffusion,
	} {
		b, err := Open(testkit.Shared(t, "models", filepath.FromSlash(folder)))
		if err != nil {
			t.Fatal(err)
		}
		if b.Kind != want {
			t.Errorf("%s: kind %q, want %q", folder, b.Kind, want)
		}
	}
}

// Settings stand in generation_config.json, in old exports in config.json.
func TestGenerationSettings(t *testing.T) {
	t.Parallel()
	b, err := Open(testkit.Shared(t, "models", "translate-mini"))
	if err != nil {
		t.Fatal(err)
	}
	g := b.Generation
	if g.NumBeams != 4 || g.Limit(b.Config.Positions) != 256 || !g.Renormalize || g.DecoderStart != 7999 || !slices.Equal(g.EOS, []int64{0}) || !slices.Equal(g.ForcedEOS, []int64{0}) || g.LengthPenalty != 1 {
		t.Errorf("got %+v", g)
	}
	dir := t.TempDir()
	write(t, dir, "config.json", `{"model_type": "marian", "num_beams": 6, "max_length": 512, "max_position_embeddings": 512, "pad_token_id": 9, "eos_token_id": [0, 3], "bad_words_ids": [[9]], "early_stopping": "never"}`)
	if b, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	g = b.Generation
	if g.NumBeams != 6 || g.MaxLength != 512 || g.DecoderStart != 9 || len(g.EOS) != 2 || len(g.BadWords) != 1 || g.EarlyStopping != StopNever {
		t.Errorf("old export: got %+v", g)
	}
	with, err := g.With(json.RawMessage(`{"max_new_tokens": 20, "early_stopping": true, "num_beams": null}`))
	if err != nil || with.Limit(512) != 21 || with.EarlyStopping != StopFirst || with.NumBeams != 6 || g.MaxNewTokens != nil {
		t.Errorf("with settings: %+v, %v", with, err)
	}
	if _, err := g.With(json.RawMessage(`{"num_beams": 0}`)); err == nil {
		t.Error("0 beams are accepted")
	}
	with, _ = g.With(json.RawMessage(`{"do_sample": true}`))
	if got := with.Unsupported(); !slices.Equal(got, []string{"do_sample"}) {
		t.Errorf("unsupported: %v", got)
	}
}

func TestDirections(t *testing.T) {
	t.Parallel()
	mini := Card{Directions: []Direction{{"eng", "es", ">>spa<<"}, {"pt_BR", "en", ""}}}
	tests := []struct {
		name   string
		card   Card
		tokens string
		want   []Direction
	}{
		{"opus-mt-en-es", Card{}, "", []Direction{{"en", "es", ""}}},
		{"opus-mt-tc-big-fr-en", Card{}, "", []Direction{{"fr", "en", ""}}},
		{"opus-mt-en-ROMANCE", Card{}, ">>spa<< >>fra<<", []Direction{{"en", "es", ">>spa<<"}, {"en", "fr", ">>fra<<"}}},
		{"opus-mt-en-mul", Card{}, ">>deu<< >>cmn_Hant<<", []Direction{{"en", "zh-Hant", ">>cmn_Hant<<"}, {"en", "de", ">>deu<<"}}},
		{"anything", Card{}, ">>eng<< >>spa<<", []Direction{{"en", "es", ">>spa<<"}, {"es", "en", ">>eng<<"}}},
		{"mini", mini, ">>spa<<", []Direction{{"en", "es", ">>spa<<"}, {"pt-BR", "en", ""}}},
	}
	for _, test := range tests {
		b := &Bundle{Name: test.name, Card: test.card}
		got, err := b.Directions(strings.Fields(test.tokens))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if sortDirections(test.want); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	for name, b := range map[string]*Bundle{
		"nothing known":  {Name: "model"},
		"no such token":  {Card: Card{Directions: []Direction{{"en", "es", ">>xxx<<"}}}},
		"no language":    {Card: Card{Directions: []Direction{{"", "es", ""}}}},
		"to itself":      {Card: Card{Directions: []Direction{{"en", "eng", ""}}}},
		"group to group": {Name: "opus-mt-gmw-gmw"},
	} {
		if got, err := b.Directions(nil); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestCheckNamesTheBadFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "config.json", `{"model_type": "marian"}`)
	write(t, dir, "onnx/encoder_model.onnx", "weights")
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	checks, err := b.Check()
	if err != nil || len(checks) != 2 || checks[0].Digest != notRecorded || !checks[1].OK {
		t.Fatalf("without manifest: %+v, %v", checks, err)
	}
	if err := writeManifest(dir); err != nil {
		t.Fatal(err)
	}
	if checks, err = b.Check(); err != nil || checks[1].Digest != "ok" {
		t.Fatalf("with manifest: %+v, %v", checks, err)
	}
	write(t, dir, "onnx/encoder_model.onnx", "weightz")
	if _, err = b.Check(); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "encoder_model.onnx: digest differs") {
		t.Errorf("changed file: %v", err)
	}
	write(t, dir, "onnx/encoder_model.onnx", "weight")
	if _, err = b.Check(); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "size differs, 7 recorded") {
		t.Errorf("shorter file: %v", err)
	}
	write(t, dir, manifestFile, `{"files": {"gone.txt": {"size": 1, "sha256": ""}}}`)
	if _, err = b.Check(); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "gone.txt") {
		t.Errorf("missing file: %v", err)
	}
	write(t, dir, manifestFile, `{"files": {"../../etc/passwd": {}}}`)
	if _, err = b.Check(); !errors.Is(err, ErrBroken) {
		t.Errorf("file outside: %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "config.json") {
		t.Error(err)
	}
	write(t, dir, "config.json", "{")
	if _, err := Open(dir); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "config.json") {
		t.Error(err)
	}
	write(t, dir, "config.json", `{"model_type": "marian"}`)
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Graph("encoder_model"); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	write(t, dir, "onnx/encoder_model_quantized.onnx", "")
	if path, err := b.Graph("encoder_model"); err != nil || !strings.HasSuffix(path, "_quantized.onnx") {
		t.Error(path, err)
	}
}

// writeManifest records the files of a folder as they are now.
func writeManifest(dir string) error {
	paths, err := files(dir)
	if err != nil {
		return fmt.Errorf("manifest of %s: %w", dir, err)
	}
	m := Manifest{Files: map[string]FileRecord{}}
	for path := range paths {
		full := filepath.Join(dir, filepath.FromSlash(path))
		info, err := os.Stat(full)
		if err != nil {
			return fmt.Errorf("manifest of %s: %w", dir, err)
		}
		sum, err := digest(full)
		if err != nil {
			return fmt.Errorf("manifest of %s: %w", dir, err)
		}
		m.Files[path] = FileRecord{Size: info.Size(), SHA256: sum}
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("manifest of %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestFile), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("manifest of %s: %w", dir, err)
	}
	return nil
}

// write puts a file into the folder of a bundle.
func write(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
