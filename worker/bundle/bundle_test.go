package bundle

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

var update = flag.Bool("update", false, "write the manifests of the shipped bundles anew")

// Every bundle that comes with the project is what its manifest says, whole.
func TestShippedBundles(t *testing.T) {
	dirs, err := List(filepath.Join("..", "..", "models"))
	require.NoError(t, err)
	require.NotEmpty(t, dirs, "no bundle")
	for _, dir := range dirs {
		if *update {
			require.NoError(t, writeManifest(dir))
		}
		b, err := Open(dir)
		require.NoError(t, err)
		checks, err := b.Check()
		assert.NoError(t, err)
		for _, c := range checks {
			assert.Equal(t, "ok", c.Digest, "%s: %s", dir, c.Path)
		}
		assert.NotEmpty(t, b.Card.Licence, "%s names no licence", dir)
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
		require.NoError(t, err)
		assert.Equal(t, want, b.Kind, "%s: kind %q, want %q", folder, b.Kind, want)
	}
}

// A causal language model of a family that no list names is one all the same; an
// encoder-decoder is not.
func TestKindFollowsFromTheArchitecture(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]Kind{
		`{"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"]}`:                           KindCausal,
		`{"model_type": "phi", "architectures": ["PhiForCausalLM"]}`:                                    KindCausal,
		`{"model_type": "bart", "architectures": ["BartForCausalLM"], "is_encoder_decoder": true}`:      KindUnknown,
		`{"model_type": "gpt_neox", "architectures": ["GPTNeoXForSequenceClassification"]}`:             KindUnknown,
		`{"model_type": "bert", "architectures": ["BertForCausalLM"]}`:                                  KindEmbedding,
		`{"model_type": "vision-encoder-decoder", "architectures": ["VisionEncoderDecoderModel"]}`:      KindUnknown,
		`{"model_type": "marian", "architectures": ["MarianMTModel"], "is_encoder_decoder": true}`:      KindMarian,
		`{"model_type": "new family", "architectures": ["NewModel", "NewForCausalLM"], "n_head": 3}`:    KindCausal,
		`{"model_type": "new family", "architectures": ["NewForCausalLM"], "is_encoder_decoder": true}`: KindUnknown,
	} {
		dir := t.TempDir()
		write(t, dir, "config.json", config)
		b, err := Open(dir)
		require.NoError(t, err, config)
		assert.Equal(t, want, b.Kind, config)
	}
}

// RoBERTa and MPNet count positions from behind the padding token's number on, so that
// a text may be shorter than there are positions.
func TestTextPositions(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]int{
		`{"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}`:                               512,
		`{"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}`:                            512,
		`{"model_type": "xlm-roberta", "max_position_embeddings": 514}`:                                           512,
		`{"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 5}`:                            508,
		`{"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 7}`:                              512,
		`{"model_type": "roberta", "max_position_embeddings": 1}`:                                                 0,
		`{"model_type": "clip", "text_config": {"max_position_embeddings": 77}, "max_position_embeddings": 1000}`: 77,
		`{"model_type": "gpt2", "n_positions": 80, "pad_token_id": 3}`:                                            80,
		`{"model_type": "bert"}`: 0,
	} {
		var c Config
		require.NoError(t, json.Unmarshal([]byte(config), &c), config)
		assert.Equal(t, want, c.TextPositions(), config)
	}
}

// Settings stand in generation_config.json, in old exports in config.json.
func TestGenerationSettings(t *testing.T) {
	t.Parallel()
	b, err := Open(testkit.Shared(t, "models", "translate-mini"))
	require.NoError(t, err)
	g := b.Generation
	if g.NumBeams != 4 || g.Limit(1, b.Config.Positions) != 256 || !g.Renormalize || g.DecoderStart != 7999 || !slices.Equal(g.EOS, []int64{0}) || !slices.Equal(g.ForcedEOS, []int64{0}) || g.LengthPenalty != 1 {
		t.Errorf("got %+v", g)
	}
	dir := t.TempDir()
	write(t, dir, "config.json", `{"model_type": "marian", "num_beams": 6, "max_length": 512, "max_position_embeddings": 512, "pad_token_id": 9, "eos_token_id": [0, 3], "bad_words_ids": [[9]], "early_stopping": "never"}`)
	b, err = Open(dir)
	require.NoError(t, err)
	g = b.Generation
	assert.True(t, g.NumBeams == 6 && g.MaxLength == 512 && g.DecoderStart == 9 && len(g.EOS) == 2 && len(g.BadWords) == 1 && g.EarlyStopping == StopNever,
		"old export: got %+v", g)
	with, err := g.With(json.RawMessage(`{"max_new_tokens": 20, "early_stopping": true, "num_beams": null}`))
	assert.NoError(t, err, "with settings")
	assert.True(t, with.Limit(1, 512) == 21 && with.EarlyStopping == StopFirst && with.NumBeams == 6 && g.MaxNewTokens == nil, "with settings: %+v", with)
	_, err = g.With(json.RawMessage(`{"num_beams": 0}`))
	assert.Error(t, err, "0 beams are accepted")
}

// A setting that would change what the reference writes is honoured or refused by name.
func TestSettingsAreHonouredOrRefused(t *testing.T) {
	t.Parallel()
	g := defaultGeneration()
	for settings, want := range map[string]string{
		`{"penalty_alpha": 0.6, "top_k": 4}`:                               "penalty_alpha",
		`{"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.5}`: "diversity_penalty, num_beam_groups",
		`{"do_sample": true, "num_beams": 2}`:                              "do_sample with num_beams",
		`{"guidance_scale": 1.5}`:                                          "guidance_scale",
		`{"constraints": [1]}`:                                             "constraints",
		`{"do_sample": true, "temperature": 0}`:                            "temperature",
		`{"do_sample": true, "top_p": 1.5}`:                                "top_p",
		`{"num_return_sequences": 2}`:                                      "num_return_sequences",
		`{"num_beams": 0}`:                                                 "num_beams",
		`{"max_new_tokens": 0}`:                                            "max_new_tokens is 0",
		`{"max_new_tokens": 9223372036854775807}`:                          "max_new_tokens",
		`{"min_new_tokens": -1}`:                                           "min_new_tokens",
		`{"max_time": 1}`:                                                  "max_time",
		`{"penalty_alpha": 1}`:                                             "penalty_alpha",
		`{"guidance_scale": 0}`:                                            "guidance_scale",
		`{"eos_token_id": [` + strings.Repeat("1, ", maxEnds) + `1]}`:      "eos_token_id has 65",
		`{"stop_strings": "` + strings.Repeat("a", maxStopLength+1) + `"}`: "stop_strings",
		`{"pad_token_id": 1` + strings.Repeat(" ", maxSettings) + `}`:      "bytes",
		`{"early_stopping": "perhaps"}`:                                    "early_stopping",
		`{"num_beams": "many"}`:                                            "num_beams",
		`[]`:                                                               "generation settings",
	} {
		_, err := g.With(json.RawMessage(settings))
		assert.ErrorContains(t, err, want, settings)
	}
	g, err := g.With(json.RawMessage(`{"num_beam_groups": 1, "guidance_scale": 1.0, "diversity_penalty": 0.0, "use_cache": true, "transformers_version": "4.57.6", "top_p": 0, "stop_strings": "end",
		"sequence_bias": [[[1, 2], -0.5]], "exponential_decay_length_penalty": [5, 1.1], "max_new_tokens": 7, "bad_words_ids": [[1], [2, 3]]}`))
	require.NoError(t, err, "values that change nothing")
	assert.Equal(t, Strings{"end"}, g.StopStrings)
	assert.Equal(t, []SequenceBias{{Tokens: []int64{1, 2}, Bias: -0.5}}, g.SequenceBias)
	assert.Equal(t, &LengthDecay{Start: 5, Factor: 1.1}, g.ExponentialDecay)
	other, err := g.With(json.RawMessage(`{"max_new_tokens": 9, "bad_words_ids": [[4], [5, 6]]}`))
	require.NoError(t, err)
	assert.Equal(t, 7, *g.MaxNewTokens, "a copy wrote into what it was made of")
	assert.Equal(t, [][]int64{{1}, {2, 3}}, g.BadWords, "a copy wrote into what it was made of")
	assert.Equal(t, 9, *other.MaxNewTokens)
}

func TestDirections(t *testing.T) {
	t.Parallel()
	mini := Card{Directions: []Direction{{Source: "eng", Target: "es", Prefix: ">>spa<<"}, {Source: "pt_BR", Target: "en"}}}
	tests := []struct {
		name   string
		card   Card
		tokens string
		want   []Direction
	}{
		{"opus-mt-en-es", Card{}, "", []Direction{{Source: "en", Target: "es"}}},
		{"opus-mt-tc-big-fr-en", Card{}, "", []Direction{{Source: "fr", Target: "en"}}},
		{"opus-mt-en-ROMANCE", Card{}, ">>spa<< >>fra<<", []Direction{{Source: "en", Target: "es", Prefix: ">>spa<<"}, {Source: "en", Target: "fr", Prefix: ">>fra<<"}}},
		{"opus-mt-en-mul", Card{}, ">>deu<< >>cmn_Hant<<", []Direction{{Source: "en", Target: "zh-Hant", Prefix: ">>cmn_Hant<<"}, {Source: "en", Target: "de", Prefix: ">>deu<<"}}},
		{"anything", Card{}, ">>eng<< >>spa<<", []Direction{{Source: "en", Target: "es", Prefix: ">>spa<<"}, {Source: "es", Target: "en", Prefix: ">>eng<<"}}},
		{"mini", mini, ">>spa<<", []Direction{{Source: "en", Target: "es", Prefix: ">>spa<<"}, {Source: "pt-BR", Target: "en"}}},
	}
	for _, test := range tests {
		b := &Bundle{Name: test.name, Card: test.card}
		got, err := b.Directions(strings.Fields(test.tokens))
		assert.NoError(t, err, test.name)
		sortDirections(test.want)
		assert.Equal(t, test.want, got, test.name)
	}
	nllb := &Bundle{Kind: KindNLLB, Name: "nllb"}
	got, err := nllb.Directions([]string{"eng_Latn", "zho_Hant", "__de__", "ace_Arab"})
	require.NoError(t, err)
	assert.Len(t, got, 12, "all pairs of four")
	assert.Contains(t, got, Direction{Source: "en", Target: "zh-Hant", From: "eng_Latn", To: "zho_Hant"})
	assert.Contains(t, got, Direction{Source: "ace-Arab", Target: "de", From: "ace_Arab", To: "__de__"})
	got, err = nllb.Directions([]string{"eng_Latn", "kor_Hang", "zho_Hans", "zho_Hant"})
	require.NoError(t, err)
	assert.Contains(t, got, Direction{Source: "ko", Target: "zh", From: "kor_Hang", To: "zho_Hans"})
	assert.Contains(t, got, Direction{Source: "zh", Target: "zh-Hant", From: "zho_Hans", To: "zho_Hant"})
	nllb.Card.Directions = []Direction{{Source: "en", Target: "de"}}
	got, err = nllb.Directions([]string{"eng_Latn", "__de__"})
	require.NoError(t, err)
	assert.Equal(t, []Direction{{Source: "en", Target: "de", From: "eng_Latn", To: "__de__"}}, got, "a card names languages alone")
	_, err = nllb.Directions([]string{"eng_Latn"})
	assert.ErrorIs(t, err, ErrBroken, "a card names a language that the model lacks")
	t5 := &Bundle{Kind: KindT5, Config: Config{Tasks: map[string]Task{
		"translation_en_to_de": {Prefix: "translate English to German: "}, "summarization": {Prefix: "summarize: "},
	}}}
	got, err = t5.Directions(nil)
	require.NoError(t, err)
	assert.Equal(t, []Direction{{Source: "en", Target: "de", Prefix: "translate English to German: "}}, got)
	for name, b := range map[string]*Bundle{
		"nothing known":  {Name: "model"},
		"no such token":  {Card: Card{Directions: []Direction{{Source: "en", Target: "es", Prefix: ">>xxx<<"}}}},
		"no language":    {Card: Card{Directions: []Direction{{Source: "", Target: "es"}}}},
		"to itself":      {Card: Card{Directions: []Direction{{Source: "en", Target: "eng"}}}},
		"group to group": {Name: "opus-mt-gmw-gmw"},
	} {
		got, err := b.Directions(nil)
		assert.ErrorIs(t, err, ErrBroken, "%s: got %v", name, got)
	}
}

func TestCheckNamesTheBadFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "config.json", `{"model_type": "marian"}`)
	write(t, dir, "onnx/encoder_model.onnx", "weights")
	b, err := Open(dir)
	require.NoError(t, err)
	checks, err := b.Check()
	require.NoError(t, err, "without manifest")
	require.True(t, len(checks) == 2 && checks[0].Digest == notRecorded && checks[1].OK, "without manifest: %+v", checks)
	require.NoError(t, writeManifest(dir))
	checks, err = b.Check()
	require.NoError(t, err, "with manifest")
	require.Equal(t, "ok", checks[1].Digest, "with manifest: %+v", checks)
	write(t, dir, "onnx/encoder_model.onnx", "weightz")
	_, err = b.Check()
	assert.ErrorIs(t, err, ErrBroken, "changed file")
	assert.ErrorContains(t, err, "encoder_model.onnx: digest differs", "changed file")
	write(t, dir, "onnx/encoder_model.onnx", "weight")
	_, err = b.Check()
	assert.ErrorIs(t, err, ErrBroken, "shorter file")
	assert.ErrorContains(t, err, "size differs, 7 recorded", "shorter file")
	write(t, dir, manifestFile, `{"files": {"gone.txt": {"size": 1, "sha256": ""}}}`)
	_, err = b.Check()
	assert.ErrorIs(t, err, ErrMissing, "missing file")
	assert.ErrorContains(t, err, "gone.txt", "missing file")
	write(t, dir, manifestFile, `{"files": {"../../etc/passwd": {}}}`)
	_, err = b.Check()
	assert.ErrorIs(t, err, ErrBroken, "file outside")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, ErrMissing)
	_, err = Open(dir)
	assert.ErrorIs(t, err, ErrMissing)
	assert.ErrorContains(t, err, "config.json")
	write(t, dir, "config.json", "{")
	_, err = Open(dir)
	assert.ErrorIs(t, err, ErrBroken)
	assert.ErrorContains(t, err, "config.json")
	write(t, dir, "config.json", `{"model_type": "marian"}`)
	b, err := Open(dir)
	require.NoError(t, err)
	_, err = b.Graph("encoder_model")
	assert.ErrorIs(t, err, ErrMissing)
	write(t, dir, "onnx/encoder_model_quantized.onnx", "")
	path, err := b.Graph("encoder_model")
	assert.NoError(t, err, "%v %v", path, err)
	assert.True(t, strings.HasSuffix(path, "_quantized.onnx"), "%v %v", path, err)
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
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}
