package decoder

import (
	"context"
	"errors"
	"fmt"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// alignment is what the positions in front of a row, which are masked, are a multiple
// of. With it the sums over positions come out the same to the last bit, however many
// stand there; measured, see docs/models.md.
const alignment = 8

// Causal is a loaded causal language model with key-value caches, and the rows under
// way in it. All caches have the same length; rows that have written less have masked
// positions in front. A row's prompt is read alone, in parts, and joins when the length
// of the others is a multiple of the alignment.
type Causal struct {
	graph  *graph
	caches []shape
	size   pipeline.Dimensions
	// keep tells that the graph gives the logits of the last position alone where it
	// is asked to; part is how many positions of a prompt are read at once.
	keep bool
	part int

	reader reader
	rows   []row
	// length is how many positions the caches hold.
	length int
	// now[i] is cache i, later[i] where the following step writes it.
	now, later []onnx.Memory

	ids, mask, positions, logits onnx.Memory
	mover                        mover
}

// row is one row under way: real positions are its own, the last ones.
type row struct{ real int }

// own is the length of the row alone: padded in front to the alignment when it joined.
// It follows from the row itself, so that it comes out the same in any company.
func aligned(n int) int { return (n + alignment - 1) / alignment * alignment }

// OpenCausal loads the file "model" of a bundle, or decoder_model_merged where that is.
// The error wraps bundle.ErrMissing or bundle.ErrBroken. ONNX Runtime must have been
// started.
func OpenCausal(b *bundle.Bundle, threads int) (*Causal, error) {
	m := &Causal{size: pipeline.Dimensions{Positions: b.Config.Positions, Threads: max(1, threads), Prompted: true}}
	if err := m.open(b, threads); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Causal) open(b *bundle.Bundle, threads int) error {
	path, err := b.Graph("model")
	if err != nil {
		return err
	}
	if m.graph, err = openGraph(path, threads); err != nil {
		return err
	}
	if m.caches, err = m.graph.shapes(b.Config.KeyHeads(), b.Config.HeadWidth()); err != nil {
		return err
	}
	m.size.Vocabulary = m.graph.vocabulary(b.Config.VocabSize)
	if m.size.Vocabulary <= 0 {
		return fmt.Errorf("%w: config.json lacks the size of the vocabulary", bundle.ErrBroken)
	}
	m.keep = m.graph.has(partKeep)
	// Without positions of its own a row can't have masked ones in front.
	m.size.Single = !m.graph.has(partPositions) || !m.graph.has(partMask) || m.graph.session.Graph().Dynamic()
	m.part = partOf(m.size.Vocabulary, m.keep)
	n := len(m.caches)
	m.now, m.later = make([]onnx.Memory, n), make([]onnx.Memory, n)
	m.reader.init(m)
	return nil
}

// partOf is how many positions of a prompt are read at once: a multiple of 16, with
// which the parts give the same as the whole, and so many that the logits of all of
// them, which most graphs give, take 64 MiB at most.
func partOf(vocabulary int, keep bool) int {
	const most = 256
	if keep {
		return most
	}
	return min(most, max(16, 64<<20/(4*vocabulary)/16*16))
}

// Close releases the model.
func (m *Causal) Close() error {
	for _, b := range []*onnx.Memory{&m.ids, &m.mask, &m.positions, &m.logits} {
		b.Free()
	}
	for i := range m.now {
		m.now[i].Free()
		m.later[i].Free()
	}
	m.reader.free()
	if m.graph == nil {
		return nil
	}
	return m.graph.session.Close()
}

// Dimensions implements pipeline.Decoder.
func (m *Causal) Dimensions() pipeline.Dimensions { return m.size }

// Accepts implements pipeline.Decoder.
func (m *Causal) Accepts() bool { return !m.reader.busy() && (!m.size.Single || len(m.rows) == 0) }

// Read implements pipeline.Decoder.
func (m *Causal) Read(requests []*pipeline.Request) error {
	if m.size.Single && len(requests) > 1 {
		return errors.New("rows of this model can't share their steps")
	}
	m.reader.begin(requests)
	return nil
}

// ReadOn implements pipeline.Decoder.
func (m *Causal) ReadOn(ctx context.Context) (done bool, err error) { return m.reader.next(ctx) }

// Join implements pipeline.Decoder.
func (m *Causal) Join() (logits []float32, ok bool, err error) {
	if len(m.rows) > 0 && m.length%alignment != 0 {
		return nil, false, nil
	}
	length := m.length
	if len(m.rows) == 0 {
		length = 0
	}
	joining := m.reader.take()
	for _, p := range joining {
		length = max(length, m.pad(p.length))
	}
	before := len(m.rows)
	if err := m.relay(before+len(joining), length); err != nil {
		return nil, false, err
	}
	for i, p := range joining {
		m.rows = append(m.rows, row{real: p.length})
		for c, s := range m.caches {
			place(m.now[c].Float32(), p.caches[c].Float32(), s, before+i, length, p.length)
		}
		logits = append(logits, p.logits...)
		p.free()
	}
	return logits, true, nil
}

func (m *Causal) pad(n int) int {
	if m.size.Single {
		return n
	}
	return aligned(n)
}

// relay makes room for rows of a length, with the ones that there are at the end of it
// and nothing in front of them.
func (m *Causal) relay(rows, length int) error {
	for c, s := range m.caches {
		if err := m.later[c].Reserve(4 * rows * s.size() * length); err != nil {
			return err
		}
		to, from := m.later[c].Float32()[:rows*s.size()*length], m.now[c].Float32()
		clear(to)
		kept := min(length, m.length)
		for block := range len(m.rows) * s.heads {
			copy(to[(block*length+length-kept)*s.dim:(block+1)*length*s.dim], from[(block*m.length+m.length-kept)*s.dim:(block+1)*m.length*s.dim])
		}
	}
	m.now, m.later = m.later, m.now
	m.length = length
	return nil
}

// place puts the cache of one row that is real positions long at the end of row at.
func place(to, from []float32, s shape, at, length, real int) {
	for h := range s.heads {
		end := ((at*s.heads + h) + 1) * length * s.dim
		copy(to[end-real*s.dim:end], from[h*real*s.dim:(h+1)*real*s.dim])
	}
}

// Forward implements pipeline.Decoder.
func (m *Causal) Forward(ctx context.Context, last []int64) ([]float32, error) {
	rows, whole := len(m.rows), m.length+1
	mask, positions := make([]int64, rows*whole), make([]int64, rows)
	for i, r := range m.rows {
		positions[i] = int64(r.real)
		for at := whole - r.real - 1; at < whole; at++ {
			mask[i*whole+at] = 1
		}
	}
	step := causalRun{model: m, rows: rows, past: m.length, tokens: 1, ids: last, mask: mask, positions: positions, before: m.now, after: m.later}
	logits, err := step.do(ctx)
	if err != nil {
		return nil, err
	}
	m.now, m.later = m.later, m.now
	m.length++
	for i := range m.rows {
		m.rows[i].real++
	}
	return logits, nil
}

// Arrange implements pipeline.Decoder.
func (m *Causal) Arrange(parents []int, _ []bool) error {
	rows := make([]row, len(parents))
	for i, p := range parents {
		rows[i] = m.rows[p]
	}
	for c, s := range m.caches {
		size := s.size() * m.length
		if 4*size*len(parents) <= m.now[c].Size() {
			m.mover.move(&m.now[c], size, pipeline.PlanMoves(parents))
			continue
		}
		if err := m.later[c].Reserve(4 * size * len(parents)); err != nil {
			return err
		}
		to, from := m.later[c].Float32(), m.now[c].Float32()
		for i, p := range parents {
			copy(to[i*size:(i+1)*size], from[p*size:(p+1)*size])
		}
		m.now[c], m.later[c] = m.later[c], m.now[c]
	}
	m.rows = rows
	return m.shorten()
}

// shorten takes away positions that no row uses any more, when they are many.
func (m *Causal) shorten() error {
	const many = 64
	spare := m.length
	for _, r := range m.rows {
		spare = min(spare, m.length-r.real)
	}
	spare = spare / alignment * alignment
	if len(m.rows) == 0 || m.size.Single || spare < many {
		return nil
	}
	return m.relay(len(m.rows), m.length-spare)
}

// Reset implements pipeline.Decoder.
func (m *Causal) Reset() {
	m.rows, m.length = nil, 0
	m.reader.reset()
}
