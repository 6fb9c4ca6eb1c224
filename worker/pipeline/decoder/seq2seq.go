package decoder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// Seq2seq is a loaded encoder and decoder with key-value caches, and the rows under
// way in it. All rows share their step, because the decoder's own attention has no
// mask: what joins waits until there are no rows. Where the export keeps two decoders
// instead of a merged one, first and next differ. The buffers outlive a batch, so that
// the next one finds them.
type Seq2seq struct {
	encoder     *graph
	first, next *graph
	caches      []shape
	width       int
	size        pipeline.Dimensions

	reading []*pipeline.Request
	// rows are in use, of inputs that are length tokens long; step is how many
	// tokens the rows' own caches hold; room is how many rows there may be.
	rows, length, step, room int
	started                  bool

	ids, mask, hidden, useCache, logits onnx.Memory
	// self[i] is cache i of the decoder's own attention, later[i] where the
	// following step writes it. cross is written by the first step alone.
	self, later, cross []onnx.Memory
	none               onnx.Memory
	mover              mover
}

// OpenSeq2seq loads encoder_model and decoder_model_merged of a bundle, or
// decoder_model and decoder_with_past_model where those are. The error wraps
// bundle.ErrMissing or bundle.ErrBroken. ONNX Runtime must have been started.
func OpenSeq2seq(b *bundle.Bundle, threads int) (*Seq2seq, error) {
	m := &Seq2seq{size: pipeline.Dimensions{Positions: b.Config.Positions, Threads: max(1, threads)}}
	if err := m.open(b, threads); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Seq2seq) open(b *bundle.Bundle, threads int) error {
	load := func(into **graph, name string) error {
		path, err := b.Graph(name)
		if err == nil {
			*into, err = openGraph(path, threads)
		}
		return err
	}
	if err := load(&m.encoder, "encoder_model"); err != nil {
		return err
	}
	if err := load(&m.first, "decoder_model_merged"); err == nil {
		m.next = m.first
	} else {
		if !errors.Is(err, bundle.ErrMissing) {
			return err
		}
		if load(&m.first, "decoder_model") != nil || load(&m.next, "decoder_with_past_model") != nil {
			return err
		}
	}
	return m.measure(&b.Config)
}

// measure finds the sizes in the graphs, and in the configuration what they leave
// open.
func (m *Seq2seq) measure(c *bundle.Config) (err error) {
	if m.caches, err = m.next.shapes(c.DecoderHeads, c.HeadWidth()); err != nil {
		return err
	}
	vocabulary := c.DecoderVocab
	if vocabulary <= 0 {
		vocabulary = c.VocabSize
	}
	m.size.Vocabulary = m.first.vocabulary(vocabulary)
	for _, g := range []*graph{m.encoder, m.first, m.next} {
		m.size.Single = m.size.Single || g.session.Graph().Dynamic()
	}
	m.width = c.Width
	for i, p := range m.encoder.session.Outputs() {
		if m.encoder.outputs[i].part == partHidden && len(p.Shape) == 3 && p.Shape[2] > 0 {
			m.width = int(p.Shape[2])
		}
	}
	if m.size.Vocabulary <= 0 || m.size.Vocabulary > maxVocabulary || m.width <= 0 || m.width > maxWidth {
		return fmt.Errorf("%w: nothing tells sizes of the vocabulary and the states that can be (%d, %d)", bundle.ErrBroken, m.size.Vocabulary, m.width)
	}
	m.size.Footprint = m.footprint(c.DecoderHeads)
	n := len(m.caches)
	m.self, m.later, m.cross = make([]onnx.Memory, n), make([]onnx.Memory, n), make([]onnx.Memory, n)
	return nil
}

// footprint estimates what rows take: the decoder's own caches before and after a step,
// those of the attention to the encoder, its states, mask and attention scores, logits,
// and activations of about 16 times the width for each token.
func (m *Seq2seq) footprint(heads int) pipeline.Footprint {
	caches, activations := 4*floats(m.caches), 4*16*float64(m.width)
	return pipeline.Footprint{
		Row: 2*4*float64(m.size.Vocabulary) + activations, Written: 2 * caches,
		Read: caches + activations + 4*float64(m.width) + 8, Scores: 2 * 4 * float64(max(heads, 1)),
	}
}

// Close releases the model.
func (m *Seq2seq) Close() error {
	for _, b := range []*onnx.Memory{&m.ids, &m.mask, &m.hidden, &m.useCache, &m.logits, &m.none} {
		b.Free()
	}
	for i := range m.self {
		m.self[i].Free()
		m.later[i].Free()
		m.cross[i].Free()
	}
	var errs []error
	for _, g := range []*graph{m.encoder, m.first, m.next} {
		if g != nil {
			errs = append(errs, g.session.Close())
		}
	}
	return errors.Join(errs...)
}

// Dimensions implements pipeline.Decoder.
func (m *Seq2seq) Dimensions() pipeline.Dimensions { return m.size }

// Accepts implements pipeline.Decoder.
func (m *Seq2seq) Accepts() bool { return m.rows == 0 && m.reading == nil }

// Read implements pipeline.Decoder.
func (m *Seq2seq) Read(requests []*pipeline.Request) error {
	m.reading, m.started = requests, false
	return nil
}

// Reads implements pipeline.Decoder.
func (m *Seq2seq) Reads() bool { return m.reading != nil && !m.started }

// ReadOn implements pipeline.Decoder: one part encodes all inputs and takes the first
// step behind their start tokens.
func (m *Seq2seq) ReadOn(ctx context.Context) (read []*pipeline.Request, logits []float32, err error) {
	if !m.Reads() {
		return nil, nil, nil
	}
	if err := m.encode(ctx, m.reading); err != nil {
		return nil, nil, fmt.Errorf("encoder: %w", err)
	}
	for i, c := range m.caches {
		if err := m.later[i].Reserve(4 * m.room * c.size()); err != nil {
			return nil, nil, err
		}
		if err := m.cross[i].Reserve(4 * m.room * c.size() * m.length); err != nil {
			return nil, nil, err
		}
	}
	start := make([]int64, m.rows)
	for i, r := range m.reading {
		start[i] = r.Settings.DecoderStart
	}
	if logits, err = m.advance(ctx, m.first, start); err != nil {
		return nil, nil, err
	}
	m.started = true
	return m.reading, logits, nil
}

// Join implements pipeline.Decoder: the rows are there, and those that nobody wants any
// more leave.
func (m *Seq2seq) Join(requests []*pipeline.Request) (ok bool, err error) {
	var parents []int
	for i, q := range m.reading {
		if slices.Contains(requests, q) {
			parents = append(parents, i)
		}
	}
	m.reading = nil
	return true, m.Arrange(parents, make([]bool, len(parents)))
}

// Forward implements pipeline.Decoder.
func (m *Seq2seq) Forward(ctx context.Context, last []int64) ([]float32, error) {
	return m.advance(ctx, m.next, last)
}

// Reset implements pipeline.Decoder.
func (m *Seq2seq) Reset() { m.reading, m.rows, m.started = nil, 0, false }

// encode runs the encoder over the inputs, padded on the right.
func (m *Seq2seq) encode(ctx context.Context, requests []*pipeline.Request) error {
	m.rows, m.length, m.step, m.room = len(requests), 0, 0, 0
	for _, r := range requests {
		m.length = max(m.length, len(r.Input))
		m.room += r.Settings.NumBeams
	}
	m.length = m.padded(m.length)
	ids, mask := make([]int64, m.rows*m.length), make([]int64, m.rows*m.length)
	for i, r := range requests {
		row := ids[i*m.length : (i+1)*m.length]
		for j := copy(row, r.Input); j < m.length; j++ {
			row[j] = max(0, r.Settings.Pad)
		}
		for j := range r.Input {
			mask[i*m.length+j] = 1
		}
	}
	rows, length, width := int64(m.rows), int64(m.length), int64(m.width)
	// The cached step wants tensors of its full height.
	if err := m.mask.Reserve(8 * m.room * m.length); err != nil {
		return err
	}
	if err := m.hidden.Reserve(4 * m.room * m.length * m.width); err != nil {
		return err
	}
	hidden, err := onnx.NewTensor[float32](&m.hidden, rows, length, width)
	if err != nil {
		return err
	}
	defer hidden.Close()
	in := make([]*onnx.Tensor, len(m.encoder.inputs))
	for i, r := range m.encoder.inputs {
		memory, values := &m.ids, ids
		if r.part == partMask {
			memory, values = &m.mask, mask
		}
		if in[i], err = filled(memory, values, rows, length); err != nil {
			return err
		}
		defer in[i].Close()
	}
	return m.encoder.session.Run(ctx, in, []*onnx.Tensor{hidden})
}

// behind is what the lengths of inputs are rounded up to with padding. In some graphs
// the sums over positions come out another way with another length, but not where both
// lengths are a multiple of it; measured, see docs/models.md.
const behind = 4

// padded is the length of inputs with their padding.
func (m *Seq2seq) padded(length int) int {
	rounded := (length + behind - 1) / behind * behind
	if m.size.Single || m.size.Positions > 0 && rounded > m.size.Positions {
		return length
	}
	return rounded
}

func (m *Seq2seq) advance(ctx context.Context, g *graph, last []int64) ([]float32, error) {
	r := run{graph: g}
	defer r.close()
	err := r.bind(func(role role) (*onnx.Tensor, error) { return m.input(role, last) }, m.output)
	if err == nil {
		err = r.do(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	m.self, m.later = m.later, m.self
	m.step++
	return r.logits.Float32(), nil
}

func (m *Seq2seq) input(role role, last []int64) (*onnx.Tensor, error) {
	rows, length := int64(m.rows), int64(m.length)
	switch role.part {
	case partIDs:
		return filled(&m.ids, last, rows, 1)
	case partMask:
		return onnx.NewTensor[int64](&m.mask, rows, length)
	case partHidden:
		// Only the first step reads it; later ones look at its shape at most,
		// so that its rows need not follow the beams.
		return onnx.NewTensor[float32](&m.hidden, rows, length, int64(m.width))
	case partUseCache:
		t, err := onnx.NewTensor[bool](&m.useCache, 1)
		if err == nil {
			t.Bool()[0] = m.step > 0
		}
		return t, err
	case partSelf, partCross:
		c := m.caches[role.cache()]
		switch {
		case m.step == 0:
			return onnx.NewTensor[float32](&m.none, rows, int64(c.heads), 0, int64(c.dim))
		case role.part == partSelf:
			return onnx.NewTensor[float32](&m.self[role.cache()], rows, int64(c.heads), int64(m.step), int64(c.dim))
		}
		return onnx.NewTensor[float32](&m.cross[role.cache()], rows, int64(c.heads), length, int64(c.dim))
	}
	return nil, errors.New("unexpected input")
}

// output gives nil for what ONNX Runtime shall make: the caches of the encoder
// that come out of a later step, which are empty dummies in Optimum's exports.
func (m *Seq2seq) output(role role) (*onnx.Tensor, error) {
	rows := int64(m.rows)
	switch role.part {
	case partLogits:
		return onnx.NewTensor[float32](&m.logits, rows, 1, int64(m.size.Vocabulary))
	case partSelf:
		c := m.caches[role.cache()]
		return onnx.NewTensor[float32](&m.later[role.cache()], rows, int64(c.heads), int64(m.step+1), int64(c.dim))
	case partCross:
		if m.step == 0 {
			c := m.caches[role.cache()]
			return onnx.NewTensor[float32](&m.cross[role.cache()], rows, int64(c.heads), int64(m.length), int64(c.dim))
		}
	}
	return nil, nil
}

// Arrange implements pipeline.Decoder, in place.
func (m *Seq2seq) Arrange(parents []int, same []bool) error {
	moves := pipeline.PlanMoves(parents)
	crossParents := make([]int, len(parents))
	for i, p := range parents {
		crossParents[i] = p
		if same[i] {
			crossParents[i] = i
		}
	}
	crossMoves := pipeline.PlanMoves(crossParents)
	m.rows = len(parents)
	for i, c := range m.caches {
		m.mover.move(&m.self[i], c.size()*m.step, moves)
		m.mover.move(&m.cross[i], c.size()*m.length, crossMoves)
	}
	// A position of the mask is as long as two floats.
	m.mover.move(&m.mask, 2*m.length, crossMoves)
	return nil
}
