// Package llama makes exports of a language model in Llama's layout with random weights,
// as large as a small real one, to measure speed with: what such a model writes is no
// language.
package llama

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Size is the shape of a model.
type Size struct {
	Vocabulary, Width, Heads, KeyHeads, Inner, Layers, Positions int
}

// Hundred has a hundred million parameters: 27 layers of the size of SmolLM2-135M's, which is as
// deep and narrow as small language models are, with the vocabulary of caption-mini.
var Hundred = Size{Vocabulary: 4000, Width: 576, Heads: 9, KeyHeads: 3, Inner: 1536, Layers: 27, Positions: 1024}

func (s Size) head() int { return s.Width / s.Heads }

// Parameters is how many numbers the weights are.
func (s Size) Parameters() int {
	layer := 2*s.Width*s.Width + 2*s.Width*s.KeyHeads*s.head() + 3*s.Width*s.Inner + 2*s.Width
	return s.Layers*layer + 2*s.Vocabulary*s.Width + s.Width
}

// Layout is how a graph keeps keys and values.
type Layout string

// The layouts: caches that are concatenated at each step, as Optimum exports them, and
// those that GroupQueryAttention may write in place, as ONNX Runtime's model builder
// makes them.
const (
	Concatenated Layout = "concatenated"
	Shared       Layout = "shared"
)

// Precision is how weights are kept.
type Precision string

// The precisions: 32 bits, and 4 with a scale for every 32 weights (MatMulNBits), for all
// but the embedding.
const (
	Full Precision = "fp32"
	Four Precision = "q4"
)

// block is how many weights of 4 bits have a scale together.
const block = 32

// Write makes a bundle in dir, which has the tokenizer of another bundle. The same
// arguments give the same weights, whatever the layout. A bundle that is there is left.
func Write(dir, tokenizer string, s Size, l Layout, p Precision) error {
	done := filepath.Join(dir, "done.json")
	want, err := json.Marshal(map[string]any{"size": s, "layout": l, "precision": p, "version": 1})
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(done); err == nil && string(have) == string(want) { //nolint:gosec // made here
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "onnx"), 0o750); err != nil {
		return err
	}
	g := &graph{size: s, precision: p}
	if l == Shared {
		g.shared()
	} else {
		g.concatenated()
	}
	if err := write(filepath.Join(dir, "onnx", "model.onnx"), g.nodes, g.ports, g.weights); err != nil {
		return err
	}
	if err := files(dir, tokenizer, s); err != nil {
		return err
	}
	return os.WriteFile(done, want, 0o600)
}

// files writes what stands beside the graph.
func files(dir, tokenizer string, s Size) error {
	text, err := os.ReadFile(filepath.Join(tokenizer, "tokenizer.json")) //nolint:gosec // a bundle of ours
	if err != nil {
		return fmt.Errorf("the tokenizer: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), text, 0o600); err != nil {
		return err
	}
	end := s.Vocabulary - 1
	for name, content := range map[string]any{
		"config.json": map[string]any{
			"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "vocab_size": s.Vocabulary, "hidden_size": s.Width, "num_attention_heads": s.Heads,
			"num_key_value_heads": s.KeyHeads, "head_dim": s.head(), "num_hidden_layers": s.Layers, "intermediate_size": s.Inner,
			"max_position_embeddings": s.Positions, "eos_token_id": end, "bos_token_id": end, "pad_token_id": end,
		},
		"generation_config.json": map[string]any{"eos_token_id": end, "pad_token_id": end},
		"tokenizer_config.json": map[string]any{
			"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": s.Positions,
			"clean_up_tokenization_spaces": false, "padding_side": "left",
		},
	} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// random gives the numbers of the weight with a name.
func random(name string) *rand.Rand {
	seed := uint64(14695981039346656037)
	for _, b := range []byte(name) { // FNV-1a
		seed = (seed ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, 11)) //nolint:gosec // no secret
}

// normal are numbers of a normal distribution with a deviation.
func normal(name string, deviation float64, dims ...int64) tensor {
	count := int64(1)
	for _, d := range dims {
		count *= d
	}
	return tensor{name: name, kind: typeFloat, dims: dims, size: 4 * count, fill: func(w io.Writer) error {
		r := random(name)
		part := make([]byte, 0, 1<<16)
		for range count {
			part = binary.LittleEndian.AppendUint32(part, math.Float32bits(float32(r.NormFloat64()*deviation)))
			if len(part) == cap(part) {
				if _, err := w.Write(part); err != nil {
					return err
				}
				part = part[:0]
			}
		}
		_, err := w.Write(part)
		return err
	}}
}

// nibbles are pairs of random numbers of 4 bits, 0 to 15.
func nibbles(name string, dims ...int64) tensor {
	count := int64(1)
	for _, d := range dims {
		count *= d
	}
	return tensor{name: name, kind: typeUint8, dims: dims, size: count, fill: func(w io.Writer) error {
		r := random(name)
		part := make([]byte, 0, 1<<16)
		for at := int64(0); at < count; at += int64(len(part)) {
			part = part[:0]
			for len(part) < 1<<16 && at+int64(len(part)) < count {
				part = binary.LittleEndian.AppendUint64(part, r.Uint64())
			}
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	}}
}
