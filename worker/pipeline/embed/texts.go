package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/tokenizer"
)

// maxText is the longest text, in bytes: a longer one would be cut by any model.
const maxText = 1 << 20

var errNothing = pipeline.NewError(jobspec.CodeInvalidInput, "There is nothing in the text that the model can read.")

// Texts turns texts into vectors with one bundle.
type Texts struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	network   *network
	sentence  sentence
	// length is the greatest number of tokens; padded tells that all texts are padded
	// to it, because the model was trained so and has no mask.
	length int
	padded bool
	pad    int64
	*pipeline.Batcher[[]int64, []float32]
}

var textInputs = map[string]onnx.Type{
	"input_ids": onnx.Int64, "attention_mask": onnx.Int64, "token_type_ids": onnx.Int64, "position_ids": onnx.Int64,
}

// textOutputs are the outputs that may be the vector or what it is pooled of, the best
// first.
var textOutputs = []string{"text_embeds", "sentence_embedding", "last_hidden_state", "token_embeddings"}

// OpenTexts loads a sentence embedder or the text tower of a bundle. It works while Run
// runs. Errors are of type *pipeline.Error.
func OpenTexts(b *bundle.Bundle, o pipeline.Options) (*Texts, error) {
	o = o.WithDefaults()
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	t := &Texts{bundle: b}
	if err := t.load(o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, t.Close()))
	}
	rows := 64
	if t.single() {
		rows = 1
	}
	t.Batcher = pipeline.NewBatcher(pipeline.BatcherConfig[[]int64, []float32]{
		Model: b.Name, Gate: o.Gate, Rows: rows, Tokens: 8192, Size: t.size, Uniform: t.pooled(), Work: t.work,
	})
	return t, nil
}

func (t *Texts) load(o pipeline.Options) (err error) {
	if t.tokenizer, err = tokenizer.Open(t.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	file, outputs := "model", textOutputs
	if t.bundle.Kind == bundle.KindCLIP {
		file, outputs = "text_model", []string{"text_embeds", "pooler_output"}
	} else if t.sentence, err = readSentence(t.bundle); err != nil {
		return err
	}
	if t.network, err = openNetwork(t.bundle, file, o.Threads, textInputs, outputs); err != nil {
		return err
	}
	t.length = shortest(t.sentence.length, t.tokenizer.MaxLength(), t.bundle.Config.TextPositions())
	if t.length == 0 {
		return fmt.Errorf("%w: nothing tells how long a text may be", bundle.ErrBroken)
	}
	t.padded = strings.HasPrefix(t.bundle.Config.ModelType, "siglip") && !t.network.has("attention_mask")
	t.pad = max(0, t.tokenizer.Pad())
	return nil
}

// single tells that texts can't run together: their numbers would depend on each
// other, or nothing tells the model what is padding and it looks at all of a text.
func (t *Texts) single() bool {
	return t.network.session.Graph().Dynamic() || !t.padded && !t.network.has("attention_mask") && t.bundle.Config.ModelType != "clip"
}

// shortest gives the least number above 0.
func shortest(numbers ...int) int {
	least := 0
	for _, n := range numbers {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// Embed gives the vector of each text, as the reference has it: divided by its length
// where the bundle says so. A text that is too long is cut. It may be called
// concurrently; texts of all calls run together. It fails with the error of ctx, or
// with a *pipeline.Error.
func (t *Texts) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	inputs := make([][]int64, len(texts))
	for i, text := range texts {
		switch {
		case len(text) > maxText:
			return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The text has %d bytes; at most %d can be read.", len(text), maxText)
		case !utf8.ValidString(text):
			return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The text is not valid UTF-8.")
		}
		if inputs[i] = t.Encode(text); len(inputs[i]) == 0 {
			return nil, errNothing
		}
	}
	return t.Do(ctx, inputs)
}

// Encode gives the tokens that the model reads of a text.
func (t *Texts) Encode(text string) []int64 {
	text = t.sentence.prompt + text
	if t.sentence.lower {
		text = strings.ToLower(text)
	}
	return t.tokenizer.EncodeWithin(text, t.length)
}

// pooled tells that the graph itself makes one vector of the states of a text. Its sums
// go over the padding too and come out another way with another length, and for a row
// alone, so that the length has to follow from the text and no row may be alone.
func (t *Texts) pooled() bool { return len(t.network.output.Shape) == 2 }

// What the lengths of texts are rounded up to with padding: where the graph pools, and
// elsewhere. In some graphs the sums over positions come out another way with another
// length, but not where both lengths are a multiple of it; measured, see docs/models.md.
const (
	pooledStep = 8
	stateStep  = 4
)

// size is how many tokens a text has with its padding, as far as the company of other
// texts does not add to it.
func (t *Texts) size(ids []int64) int {
	switch {
	case t.padded:
		return t.length
	case t.single():
		return len(ids)
	}
	step := stateStep
	if t.pooled() {
		step = pooledStep
	}
	return min(t.length, (len(ids)+step-1)/step*step)
}

func (t *Texts) work(ctx context.Context, inputs [][]int64) ([][]float32, error) {
	length := 0
	for _, ids := range inputs {
		if len(ids) == 0 {
			return nil, errNothing
		}
		length = max(length, t.size(ids))
	}
	if len(inputs) == 1 && t.pooled() && !t.single() {
		vectors, err := t.work(ctx, slices.Concat(inputs, inputs))
		return vectors[:min(1, len(vectors))], err
	}
	rows := len(inputs)
	values, shape, err := t.network.run(ctx, func(name string, m *onnx.Memory) (*onnx.Tensor, error) {
		x, err := onnx.NewTensor[int64](m, int64(rows), int64(length))
		if err == nil {
			t.fill(name, x.Int64(), inputs, length)
		}
		return x, err
	})
	if err != nil {
		return nil, err
	}
	return t.vectors(values, shape, inputs, length)
}

func (t *Texts) fill(name string, values []int64, inputs [][]int64, length int) {
	clear(values)
	for r, ids := range inputs {
		row := values[r*length : (r+1)*length]
		switch name {
		case "input_ids":
			for i := copy(row, ids); i < length; i++ {
				row[i] = t.pad
			}
		case "attention_mask":
			for i := range ids {
				row[i] = 1
			}
		case "position_ids":
			for i := range row {
				row[i] = int64(i)
			}
		}
	}
}

// vectors cuts the output of a run into one vector for each input, pooled where it has
// the states of all length tokens.
func (t *Texts) vectors(values []float32, shape []int64, inputs [][]int64, length int) ([][]float32, error) {
	rows := len(inputs)
	if len(shape) < 2 || len(shape) > 3 || shape[0] != int64(rows) || shape[len(shape)-1] < 1 || len(shape) == 3 && shape[1] != int64(length) {
		return nil, fmt.Errorf("%w: %q has the shape %v for %d texts of %d tokens", bundle.ErrBroken, t.network.output.Name, shape, rows, length)
	}
	width := int(shape[len(shape)-1])
	each := len(values) / rows
	all := make([][]float32, rows)
	for r, ids := range inputs {
		row := values[r*each : (r+1)*each]
		if len(shape) == 3 {
			all[r] = t.sentence.pooling.of(row[:len(ids)*width], width)
		} else {
			all[r] = append([]float32(nil), row...)
		}
		if t.sentence.normalize {
			normalize(all[r])
		}
	}
	return all, nil
}

// Close releases the model. Run must have returned, or never have been called.
func (t *Texts) Close() error {
	if t.network == nil {
		return nil
	}
	return t.network.close()
}
