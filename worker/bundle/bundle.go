// Package bundle reads a model's folder: what kind of model it holds, its
// settings, the languages it knows, and whether its files are what they were
// when it was packed. A bundle is a folder in the Hugging Face layout, as
// Optimum and transformers.js read and write it:
//
//	config.json generation_config.json   the model and how it writes
//	source.spm target.spm vocab.json     or tokenizer.json
//	onnx/encoder_model.onnx onnx/decoder_model_merged.onnx
//	parley.json                          our own, optional: see Card
//	manifest.json                        our own, optional: see Manifest
//	reference.json                       optional: what the reference library gives
package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Kind is the family of models that a bundle belongs to.
type Kind string

// The kinds that are told apart. Which of them can run is worker/model's business.
const (
	KindMarian Kind = "marian"
	KindNLLB   Kind = "nllb"
	KindT5     Kind = "t5"
	// KindT5Writer is a T5 whose card says that it writes what it is asked for.
	KindT5Writer  Kind = "t5 that writes"
	KindCausal    Kind = "causal language model"
	KindEmbedding Kind = "text embedding"
	KindCLIP      Kind = "clip"
	KindDiffusion Kind = "diffusion"
	KindUnknown   Kind = "unknown"
)

// Bundle is an opened folder. It holds no model yet.
type Bundle struct {
	// Dir is the folder, Name its last element.
	Dir, Name  string
	Kind       Kind
	Config     Config
	Generation Generation
	Card       Card
}

// Errors that Open and Check wrap.
var (
	// ErrMissing says that there is no bundle, or a file of it is missing.
	ErrMissing = errors.New("the model is missing")
	// ErrBroken says that a file is not what it should be.
	ErrBroken = errors.New("the model is broken")
)

// Open reads the folder's descriptions. It fails with ErrMissing or ErrBroken;
// a bundle of a kind that can't run yet is no failure.
func Open(dir string) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a folder", ErrMissing, dir)
	}
	b := &Bundle{Dir: dir, Name: filepath.Base(dir), Generation: defaultGeneration()}
	if b.exists("model_index.json") {
		b.Kind = KindDiffusion
		return b, nil
	}
	if err := b.readJSON("config.json", &b.Config, true); err != nil {
		return nil, err
	}
	b.Kind = kindOf(&b.Config)
	if b.Kind != KindCLIP && b.exists("modules.json") {
		// The layout of sentence-transformers, whatever the network below.
		b.Kind = KindEmbedding
	}
	if err := b.readGeneration(); err != nil {
		return nil, err
	}
	if err := b.readJSON(cardFile, &b.Card, false); err != nil {
		return nil, err
	}
	if b.Kind == KindT5 && b.Card.Kind == cardWrites {
		b.Kind = KindT5Writer
	}
	if b.Card.Name != "" {
		b.Name = b.Card.Name
	}
	return b, nil
}

func kindOf(c *Config) Kind {
	switch c.ModelType {
	case "marian":
		return KindMarian
	case "m2m_100", "nllb-moe":
		return KindNLLB
	case "t5", "mt5":
		return KindT5
	case "clip", "siglip", "siglip2", "vision-text-dual-encoder":
		return KindCLIP
	case "bert", "mpnet", "roberta", "xlm-roberta", "distilbert", "albert", "electra", "nomic_bert", "modernbert", "new":
		return KindEmbedding
	case "gpt2", "llama", "qwen2", "qwen3", "gemma", "gemma2", "mistral", "phi3", "smollm3":
		return KindCausal
	}
	// Causal language models differ within their graphs alone.
	if !c.EncoderDecoder && slices.ContainsFunc(c.Architectures, func(a string) bool { return strings.HasSuffix(a, "ForCausalLM") }) {
		return KindCausal
	}
	return KindUnknown
}

// readGeneration takes generation_config.json, and what config.json says of
// generation where that file is missing, as in old exports.
func (b *Bundle) readGeneration() error {
	// A file without these falls back to the model's own in either case.
	var tokens struct {
		DecoderStart *int64 `json:"decoder_start_token_id"`
		Pad          *int64 `json:"pad_token_id"`
		EOS          Tokens `json:"eos_token_id"`
	}
	if err := b.readJSON("config.json", &tokens, true); err != nil {
		return err
	}
	file := "generation_config.json"
	if !b.exists(file) {
		file = "config.json"
	}
	g := &b.Generation
	data, err := os.ReadFile(b.path(file))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if err := g.read(data); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBroken, b.path(file), err)
	}
	if g.Pad < 0 && tokens.Pad != nil {
		g.Pad = *tokens.Pad
	}
	if g.DecoderStart < 0 && tokens.DecoderStart != nil {
		g.DecoderStart = *tokens.DecoderStart
	}
	if len(g.EOS) == 0 {
		g.EOS = tokens.EOS
	}
	if g.DecoderStart < 0 {
		// Marian begins with the pad token.
		g.DecoderStart = g.Pad
	}
	return nil
}

func (b *Bundle) exists(name string) bool {
	_, err := os.Stat(b.path(name))
	return err == nil
}

func (b *Bundle) path(name string) string { return filepath.Join(b.Dir, filepath.FromSlash(name)) }

// ReadJSON reads a file of the bundle, by its path with forward slashes. One that is
// not there changes nothing; the error wraps ErrBroken.
func (b *Bundle) ReadJSON(name string, into any) error { return b.readJSON(name, into, false) }

func (b *Bundle) readJSON(name string, into any, needed bool) error {
	data, err := os.ReadFile(b.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !needed:
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBroken, b.path(name), err)
	}
	return nil
}

// graphSuffixes are the endings of the precisions that run on a CPU, the
// exactest first.
var graphSuffixes = []string{"", "_quantized", "_int8", "_uint8", "_q4", "_bnb4"}

// Graph gives the path of a model file such as "encoder_model", in the best
// precision that is there.
func (b *Bundle) Graph(name string) (string, error) {
	for _, suffix := range graphSuffixes {
		for _, folder := range []string{"onnx", "."} {
			if path := b.path(folder + "/" + name + suffix + ".onnx"); isFile(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w: no %s.onnx in %s", ErrMissing, name, filepath.Join(b.Dir, "onnx"))
}

// Part gives the path of the model file in a folder of a diffusers bundle, such as
// "unet", in the best precision that is there.
func (b *Bundle) Part(folder string) (string, error) {
	for _, suffix := range graphSuffixes {
		if path := b.path(folder + "/model" + suffix + ".onnx"); isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no model.onnx in %s", ErrMissing, filepath.Join(b.Dir, folder))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// List gives the folders under root that hold a bundle, by name. A root that is
// a bundle itself is the only one.
func List(root string) ([]string, error) {
	if isBundle(root) {
		return []string{root}, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	var dirs []string
	for _, e := range entries {
		if dir := filepath.Join(root, e.Name()); isBundle(dir) {
			dirs = append(dirs, dir)
		}
	}
	sort.Strings(dirs)
	return dirs, nil
}

func isBundle(dir string) bool {
	return isFile(filepath.Join(dir, "config.json")) || isFile(filepath.Join(dir, "model_index.json"))
}
