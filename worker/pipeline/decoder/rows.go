package decoder

import (
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// mover copies rows of floats within a block.
type mover struct{ scratch []float32 }

// move makes the moves with rows of size floats each.
func (v *mover) move(m *onnx.Memory, size int, moves []pipeline.Move) {
	if len(moves) == 0 {
		return
	}
	data := m.Float32()
	if cap(v.scratch) < size {
		v.scratch = make([]float32, size)
	}
	row := func(i int) []float32 {
		if i == pipeline.ScratchRow {
			return v.scratch[:size]
		}
		return data[i*size : (i+1)*size]
	}
	for _, m := range moves {
		copy(row(m.To), row(m.From))
	}
}
