package translate

import (
	"context"
	"fmt"

	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// decoding is the state of one batch in the decoder: the key-value caches of
// all rows, which share their step. A row is one beam of one input. The
// buffers outlive a batch, so that the next one finds them.
type decoding struct {
	model *seq2seq
	beams int
	// rows are in use, of inputs that are length tokens long; step is how many
	// tokens the rows' own caches hold.
	rows, length, step int

	ids, mask, hidden, useCache, logits onnx.Memory
	// self[i] is cache i of the decoder's own attention, next[i] where the
	// following step writes it. cross is written by the first step alone.
	self, next, cross []onnx.Memory
	none              onnx.Memory
	scratch           []float32
}

func newDecoding(m *seq2seq) *decoding {
	return &decoding{
		model: m, self: make([]onnx.Memory, m.caches), next: make([]onnx.Memory, m.caches), cross: make([]onnx.Memory, m.caches),
	}
}

func (d *decoding) close() {
	for _, m := range []*onnx.Memory{&d.ids, &d.mask, &d.hidden, &d.useCache, &d.logits, &d.none} {
		m.Free()
	}
	for i := range d.self {
		d.self[i].Free()
		d.next[i].Free()
		d.cross[i].Free()
	}
}

// Dimensions implements pipeline.Decoder.
func (d *decoding) Dimensions() pipeline.Dimensions {
	return pipeline.Dimensions{Vocabulary: d.model.vocabulary, Positions: d.model.positions, Threads: d.model.threads}
}

// Begin implements pipeline.Decoder: it encodes the inputs and runs the first step.
func (d *decoding) Begin(ctx context.Context, inputs [][]int64, pad, start int64, beams int) ([]float32, error) {
	d.beams, d.step = beams, 0
	if err := d.model.encode(ctx, d, inputs, pad); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	perPosition := 4 * d.rows * beams * d.model.heads * d.model.dim
	for i := range d.self {
		if err := d.next[i].Reserve(perPosition); err != nil {
			return nil, err
		}
		if err := d.cross[i].Reserve(perPosition * d.length); err != nil {
			return nil, err
		}
	}
	last := make([]int64, d.rows)
	for i := range last {
		last[i] = start
	}
	return d.advance(ctx, d.model.first, last)
}

// Forward implements pipeline.Decoder.
func (d *decoding) Forward(ctx context.Context, last []int64) ([]float32, error) {
	return d.advance(ctx, d.model.next, last)
}

func (d *decoding) advance(ctx context.Context, g *graph, last []int64) ([]float32, error) {
	run := stepRun{d: d, graph: g, first: d.step == 0}
	defer run.close()
	if err := run.bind(last); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	if err := g.session.Run(ctx, run.in, run.out); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	d.self, d.next = d.next, d.self
	d.step++
	return run.logits.Float32(), nil
}

// stepRun holds the tensors of one run of the decoder.
type stepRun struct {
	d       *decoding
	graph   *graph
	first   bool
	in, out []*onnx.Tensor
	logits  *onnx.Tensor
}

func (r *stepRun) close() {
	for _, t := range r.in {
		t.Close()
	}
	for _, t := range r.out {
		t.Close()
	}
}

func (r *stepRun) bind(last []int64) error {
	r.in, r.out = make([]*onnx.Tensor, len(r.graph.inputs)), make([]*onnx.Tensor, len(r.graph.outputs))
	for i, role := range r.graph.inputs {
		t, err := r.input(role)
		if err != nil {
			return err
		}
		r.in[i] = t
		switch role.part {
		case partIDs:
			copy(t.Int64(), last)
		case partUseCache:
			t.Bool()[0] = !r.first
		}
	}
	for i, role := range r.graph.outputs {
		t, err := r.output(role)
		if err != nil {
			return err
		}
		r.out[i] = t
		if role.part == partLogits {
			r.logits = t
		}
	}
	if r.logits == nil {
		return fmt.Errorf("it gives no logits")
	}
	return nil
}

func (r *stepRun) input(role role) (*onnx.Tensor, error) {
	d := r.d
	rows, heads, dim := int64(d.rows), int64(d.model.heads), int64(d.model.dim)
	switch role.part {
	case partIDs:
		return onnx.NewTensor[int64](&d.ids, rows, 1)
	case partMask:
		return onnx.NewTensor[int64](&d.mask, rows, int64(d.length))
	case partHidden:
		// Only the first step reads it; later ones look at its shape at most,
		// so that its rows need not follow the beams.
		return onnx.NewTensor[float32](&d.hidden, rows, int64(d.length), int64(d.model.width))
	case partUseCache:
		return onnx.NewTensor[bool](&d.useCache, 1)
	case partSelf:
		if r.first {
			return onnx.NewTensor[float32](&d.none, rows, heads, 0, dim)
		}
		return onnx.NewTensor[float32](&d.self[role.cache()], rows, heads, int64(d.step), dim)
	case partCross:
		if r.first {
			return onnx.NewTensor[float32](&d.none, rows, heads, 0, dim)
		}
		return onnx.NewTensor[float32](&d.cross[role.cache()], rows, heads, int64(d.length), dim)
	}
	return nil, fmt.Errorf("unexpected input")
}

// output gives nil for what ONNX Runtime shall make: the caches of the encoder
// that come out of a later step, which are empty dummies in Optimum's exports.
func (r *stepRun) output(role role) (*onnx.Tensor, error) {
	d := r.d
	rows, heads, dim := int64(d.rows), int64(d.model.heads), int64(d.model.dim)
	switch role.part {
	case partLogits:
		return onnx.NewTensor[float32](&d.logits, rows, 1, int64(d.model.vocabulary))
	case partSelf:
		return onnx.NewTensor[float32](&d.next[role.cache()], rows, heads, int64(d.step+1), dim)
	case partCross:
		if r.first {
			return onnx.NewTensor[float32](&d.cross[role.cache()], rows, heads, int64(d.length), dim)
		}
	}
	return nil, nil
}

// Arrange implements pipeline.Decoder, in place.
func (d *decoding) Arrange(parents []int, before, after []int) error {
	moves := pipeline.PlanMoves(parents)
	crossParents := make([]int, len(parents))
	for i, p := range parents {
		crossParents[i] = p
		if i < d.rows && before[i] == after[i] {
			crossParents[i] = i
		}
	}
	crossMoves := pipeline.PlanMoves(crossParents)
	d.rows = len(parents)
	perPosition := d.model.heads * d.model.dim
	for i := range d.self {
		d.move(&d.self[i], perPosition*d.step, moves)
		d.move(&d.cross[i], perPosition*d.length, crossMoves)
	}
	// A position of the mask is as long as two floats.
	d.move(&d.mask, 2*d.length, crossMoves)
	return nil
}

// move copies rows of size floats each.
func (d *decoding) move(m *onnx.Memory, size int, moves []pipeline.Move) {
	if len(moves) == 0 {
		return
	}
	data := m.Float32()
	if cap(d.scratch) < size {
		d.scratch = make([]float32, size)
	}
	row := func(i int) []float32 {
		if i == pipeline.ScratchRow {
			return d.scratch[:size]
		}
		return data[i*size : (i+1)*size]
	}
	for _, m := range moves {
		copy(row(m.To), row(m.From))
	}
}
