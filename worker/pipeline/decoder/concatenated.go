package decoder

import (
	"context"
	"errors"

	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// alignment is what the positions in front of a row, which are masked, are a multiple
// of. With it the sums over positions come out the same to the last bit, however many
// stand there; measured, see docs/models.md.
const alignment = 8

// concatenated is a causal language model whose caches grow by a position with every
// step, and the rows under way in it. All caches have the same length; rows that have
// written less have masked positions in front. A row's prompt is read alone, in parts,
// and joins when the length of the others is a multiple of the alignment.
type concatenated struct {
	*language
	reader reader
	rows   []row
	// length is how many positions the caches hold.
	length int
	// now[i] is cache i, later[i] where the following step writes it.
	now, later []onnx.Memory
	mover      mover
}

// row is one row under way: real positions are its own, the last ones.
type row struct{ real int }

// aligned is the length of a row alone: padded in front to the alignment when it joins.
// It follows from the row itself, so that it comes out the same in any company.
func aligned(n int) int { return (n + alignment - 1) / alignment * alignment }

func newConcatenated(l *language) *concatenated {
	n := len(l.caches)
	return &concatenated{language: l, reader: newReader(l), now: make([]onnx.Memory, n), later: make([]onnx.Memory, n)}
}

// Close implements Model.
func (m *concatenated) Close() error {
	for i := range m.now {
		m.now[i].Free()
		m.later[i].Free()
	}
	m.reader.free()
	return m.close()
}

// Dimensions implements pipeline.Decoder.
func (m *concatenated) Dimensions() pipeline.Dimensions { return m.size }

// Accepts implements pipeline.Decoder.
func (m *concatenated) Accepts() bool {
	return !m.size.Single || len(m.rows) == 0 && !m.reader.busy()
}

// Read implements pipeline.Decoder.
func (m *concatenated) Read(requests []*pipeline.Request) error {
	if m.size.Single && (len(requests) > 1 || !m.Accepts()) {
		return errors.New("rows of this model can't share their steps")
	}
	m.reader.begin(requests)
	return nil
}

// Reads implements pipeline.Decoder.
func (m *concatenated) Reads() bool { return m.reader.reads() }

// joinable tells whether the length of the rows lets others join.
func (m *concatenated) joinable() bool { return len(m.rows) == 0 || m.length%alignment == 0 }

// ReadOn implements pipeline.Decoder.
func (m *concatenated) ReadOn(ctx context.Context) (read []*pipeline.Request, logits []float32, err error) {
	return m.reader.next(ctx)
}

// Join implements pipeline.Decoder.
func (m *concatenated) Join(requests []*pipeline.Request) (ok bool, err error) {
	joining, err := m.reader.keep(requests)
	if err != nil || len(joining) == 0 {
		return err == nil, err
	}
	if m.reader.ends() || !m.joinable() {
		return false, nil
	}
	defer m.reader.forget()
	length := m.length
	if len(m.rows) == 0 {
		length = 0
	}
	for _, p := range joining {
		length = max(length, m.pad(p.at))
	}
	if err := m.relay(len(m.rows)+len(joining), length); err != nil {
		return false, err
	}
	for _, p := range joining {
		for c, s := range m.caches {
			place(m.now[c].Float32(), len(m.rows)*s.heads, length, length-p.at, p.caches[c].Float32(), p.at, s, p.at)
		}
		m.rows = append(m.rows, row{real: p.at})
	}
	return true, nil
}

func (m *concatenated) pad(n int) int {
	if m.size.Single {
		return n
	}
	return aligned(n)
}

// relay makes room for rows of a length, with the ones that there are at the end of it
// and nothing in front of them.
func (m *concatenated) relay(rows, length int) error {
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

// place copies count positions of one row, from the start of a cache with room for
// fromRoom positions to the heads from at on of one with toRoom, behind offset.
func place(to []float32, at, toRoom, offset int, from []float32, fromRoom int, s shape, count int) {
	for h := range s.heads {
		start := ((at+h)*toRoom + offset) * s.dim
		copy(to[start:start+count*s.dim], from[h*fromRoom*s.dim:])
	}
}

// Forward implements pipeline.Decoder.
func (m *concatenated) Forward(ctx context.Context, last []int64) ([]float32, error) {
	rows, whole := len(m.rows), m.length+1
	mask, positions := make([]int64, rows*whole), make([]int64, rows)
	for i, r := range m.rows {
		positions[i] = int64(r.real)
		for at := whole - r.real - 1; at < whole; at++ {
			mask[i*whole+at] = 1
		}
	}
	step := languageRun{language: m.language, rows: rows, past: m.length, tokens: 1, ids: last, mask: mask, positions: positions, before: m.now, after: m.later}
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
func (m *concatenated) Arrange(parents []int, _ []bool) error {
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
func (m *concatenated) shorten() error {
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
func (m *concatenated) Reset() {
	m.rows, m.length = nil, 0
	m.reader.reset()
}
