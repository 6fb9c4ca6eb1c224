package decoder

import (
	"context"
	"errors"

	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// shared is a causal language model whose caches lie in one buffer before and after a
// step, with room for more positions: nothing is copied from step to step, and each row
// has a length of its own, so that rows join and leave at every step.
type shared struct {
	*language
	reader reader
	// rows are how many positions each row has.
	rows []int
	// slots is how many rows, room how many positions of each the caches can hold.
	slots, room int
	buffers     []onnx.Memory
	mover       mover
}

// roomStep is what the room of a row grows by.
const roomStep = 128

func newShared(l *language) *shared {
	return &shared{language: l, reader: newReader(l), buffers: make([]onnx.Memory, len(l.caches))}
}

// Close implements Model.
func (m *shared) Close() error {
	for i := range m.buffers {
		m.buffers[i].Free()
	}
	m.reader.free()
	return m.close()
}

// Dimensions implements pipeline.Decoder.
func (m *shared) Dimensions() pipeline.Dimensions { return m.size }

// Accepts implements pipeline.Decoder.
func (m *shared) Accepts() bool {
	return !m.size.Single || len(m.rows) == 0 && !m.reader.busy()
}

// Read implements pipeline.Decoder.
func (m *shared) Read(requests []*pipeline.Request) error {
	if m.size.Single && (len(requests) > 1 || !m.Accepts()) {
		return errors.New("rows of this model can't share their steps")
	}
	m.reader.begin(requests)
	return nil
}

// Reads implements pipeline.Decoder.
func (m *shared) Reads() bool { return m.reader.reads() }

// ReadOn implements pipeline.Decoder.
func (m *shared) ReadOn(ctx context.Context) (read []*pipeline.Request, logits []float32, err error) {
	return m.reader.next(ctx)
}

// Join implements pipeline.Decoder.
func (m *shared) Join(requests []*pipeline.Request) (ok bool, err error) {
	joining, err := m.reader.keep(requests)
	if err != nil || len(joining) == 0 {
		return err == nil, err
	}
	if m.reader.ends() {
		return false, nil
	}
	defer m.reader.forget()
	longest := 0
	for _, p := range joining {
		longest = max(longest, p.at)
	}
	if err := m.reserve(len(m.rows)+len(joining), longest+1); err != nil {
		return false, err
	}
	for _, p := range joining {
		for c, s := range m.caches {
			place(m.buffers[c].Float32(), len(m.rows)*s.heads, m.room, 0, p.caches[c].Float32(), p.at, s, p.at)
		}
		m.rows = append(m.rows, p.at)
	}
	return true, nil
}

// reserve makes room for rows of a length; what is there stays. What grows is made for
// what there is now: many short rows earlier and a long one now are not as many long ones.
func (m *shared) reserve(rows, length int) error {
	if rows <= m.slots && length <= m.room {
		return nil
	}
	for _, n := range m.rows {
		length = max(length, n)
	}
	slots, room := max(rows, len(m.rows)), m.room
	if length > room {
		room += room / 2
	}
	room = (max(length, min(room, 2*length)) + roomStep - 1) / roomStep * roomStep
	for c, s := range m.caches {
		var larger onnx.Memory
		if err := larger.Reserve(4 * slots * s.size() * room); err != nil {
			return err
		}
		// What a mask covers must be numbers all the same.
		clear(larger.Float32())
		for i, length := range m.rows {
			from := m.buffers[c].Float32()[i*s.size()*m.room:]
			place(larger.Float32(), i*s.heads, room, 0, from, m.room, s, length)
		}
		m.buffers[c].Free()
		m.buffers[c] = larger
	}
	m.slots, m.room = slots, room
	return nil
}

// Forward implements pipeline.Decoder.
func (m *shared) Forward(ctx context.Context, last []int64) ([]float32, error) {
	longest := 0
	for _, n := range m.rows {
		longest = max(longest, n+1)
	}
	if err := m.reserve(len(m.rows), longest); err != nil {
		return nil, err
	}
	mask, positions := make([]int64, len(m.rows)*longest), make([]int64, len(m.rows))
	for i, n := range m.rows {
		positions[i] = int64(n)
		for at := range n + 1 {
			mask[i*longest+at] = 1
		}
	}
	step := languageRun{
		language: m.language, rows: len(m.rows), past: longest - 1, tokens: 1, room: m.room,
		ids: last, mask: mask, positions: positions, before: m.buffers, after: m.buffers,
	}
	logits, err := step.do(ctx)
	if err != nil {
		return nil, err
	}
	for i := range m.rows {
		m.rows[i]++
	}
	return logits, nil
}

// Arrange implements pipeline.Decoder.
func (m *shared) Arrange(parents []int, _ []bool) error {
	if err := m.reserve(len(parents), 0); err != nil {
		return err
	}
	moves := pipeline.PlanMoves(parents)
	for c, s := range m.caches {
		m.mover.move(&m.buffers[c], s.size()*m.room, moves)
	}
	rows := make([]int, len(parents))
	for i, p := range parents {
		rows[i] = m.rows[p]
	}
	m.rows = rows
	return nil
}

// Reset implements pipeline.Decoder.
func (m *shared) Reset() {
	m.rows = nil
	m.reader.reset()
}
