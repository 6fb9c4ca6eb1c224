package embed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// textNetwork is the model of a Texts in memory.
type textNetwork struct {
	*Texts
	network *network
	// padded tells that all texts are padded to the greatest length, because the model
	// was trained so and has no mask.
	padded bool
	*pipeline.Batcher[[]int64, []float32]
}

var textInputs = map[string]onnx.Type{
	"input_ids": onnx.Int64, "attention_mask": onnx.Int64, "token_type_ids": onnx.Int64, "position_ids": onnx.Int64,
}

// runTokens is how many tokens a run has for each of its threads where it can be bounded. Short
// texts gain by running together; beyond it nothing is gained, and padding and states that the
// processor's caches don't hold cost more: with MiniLM and texts of 6 to 200 words a tenth.
const runTokens = 128

// textOutputs are the outputs that may be the vector or what it is pooled of, the best
// first.
var textOutputs = []string{"text_embeds", "sentence_embedding", "last_hidden_state", "token_embeddings"}

// outputs are those of the bundle's graph.
func (t *Texts) outputs() []string {
	if t.bundle.Kind == bundle.KindCLIP {
		return []string{"text_embeds", "pooler_output"}
	}
	return textOutputs
}

// open loads the model. Its errors are of type *pipeline.Error.
func (t *Texts) open(o pipeline.Options) (*textNetwork, error) {
	n, err := openNetwork(t.bundle, t.file(), o.Threads, textInputs, t.outputs())
	if err != nil {
		return nil, pipeline.ModelError(t.bundle.Name, err)
	}
	m := &textNetwork{Texts: t, network: n}
	m.padded = strings.HasPrefix(t.bundle.Config.ModelType, "siglip") && !n.has("attention_mask")
	rows := 64
	if m.single() {
		rows = 1
	}
	m.Batcher = pipeline.NewBatcher(pipeline.BatcherConfig[[]int64, []float32]{
		Model: t.bundle.Name, Gate: o.Gate, Rows: rows, Tokens: runTokens * o.Threads, Size: m.size, Uniform: m.pooled(), Work: m.work,
		Need: m.need, Bytes: o.RunBytes,
	})
	return m, nil
}

// need is what a run takes; a text alone may have to run beside itself.
func (t *textNetwork) need(rows, length int) float64 {
	c := &t.bundle.Config
	width, heads := c.Width, c.AttentionHeads
	if t.bundle.Kind == bundle.KindCLIP {
		width, heads = c.Text.Width, c.Text.Heads
	}
	return need(max(rows, 2), length, width, heads)
}

// Run implements pipeline.Resident.
func (t *textNetwork) Run(ctx context.Context) error { return t.Batcher.Run(ctx) }

// Close releases the model.
func (t *textNetwork) Close() error { return t.network.close() }

// single tells that texts can't run together: their numbers would depend on each
// other, or nothing tells the model what is padding and it looks at all of a text.
func (t *textNetwork) single() bool {
	return t.network.session.Graph().Dynamic() || !t.padded && !t.network.has("attention_mask") && t.bundle.Config.ModelType != "clip"
}

// pooled tells that the graph itself makes one vector of the states of a text. Its sums
// go over the padding too and come out another way with another length, and for a row
// alone, so that the length has to follow from the text and no row may be alone.
func (t *textNetwork) pooled() bool { return len(t.network.output.Shape) == 2 }

// What the lengths of texts are rounded up to with padding: where the graph pools, and
// elsewhere. In some graphs the sums over positions come out another way with another
// length, but not where both lengths are a multiple of it; measured, see docs/models.md.
const (
	pooledStep = 8
	stateStep  = 4
)

// size is how many tokens a text has with its padding, as far as the company of other
// texts does not add to it.
func (t *textNetwork) size(ids []int64) int {
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

func (t *textNetwork) work(ctx context.Context, inputs [][]int64) ([][]float32, error) {
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

func (t *textNetwork) fill(name string, values []int64, inputs [][]int64, length int) {
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
func (t *textNetwork) vectors(values []float32, shape []int64, inputs [][]int64, length int) ([][]float32, error) {
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
