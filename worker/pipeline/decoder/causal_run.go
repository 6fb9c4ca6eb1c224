package decoder

import (
	"context"
	"errors"
	"fmt"

	"parley/worker/onnx"
)

// causalRun is one run of a causal model: tokens of each row behind past positions.
type causalRun struct {
	model              *Causal
	rows, past, tokens int
	// ids and positions are rows times tokens long, mask rows times past+tokens.
	ids, mask, positions []int64
	// before are the caches that are read, after those that are written.
	before, after []onnx.Memory
}

// do gives the logits of every position, or of the last one where the graph can.
func (c *causalRun) do(ctx context.Context) ([]float32, error) {
	r := run{graph: c.model.graph}
	defer r.close()
	err := r.bind(c.input, c.output)
	if err == nil {
		err = r.do(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("language model: %w", err)
	}
	return r.logits.Float32(), nil
}

func (c *causalRun) input(role role) (*onnx.Tensor, error) {
	m, rows := c.model, int64(c.rows)
	switch role.part {
	case partIDs:
		return filled(&m.ids, c.ids, rows, int64(c.tokens))
	case partMask:
		return filled(&m.mask, c.mask, rows, int64(c.past+c.tokens))
	case partPositions:
		return filled(&m.positions, c.positions, rows, int64(c.tokens))
	case partKeep:
		return onnx.NewScalar[int64](1)
	case partSelf:
		s := m.caches[role.cache()]
		return onnx.NewTensor[float32](&c.before[role.cache()], rows, int64(s.heads), int64(c.past), int64(s.dim))
	}
	return nil, errors.New("unexpected input")
}

func (c *causalRun) output(role role) (*onnx.Tensor, error) {
	m, rows := c.model, int64(c.rows)
	switch role.part {
	case partLogits:
		given := c.tokens
		if m.keep {
			given = 1
		}
		return onnx.NewTensor[float32](&m.logits, rows, int64(given), int64(m.size.Vocabulary))
	case partSelf:
		s := m.caches[role.cache()]
		return onnx.NewTensor[float32](&c.after[role.cache()], rows, int64(s.heads), int64(c.past+c.tokens), int64(s.dim))
	}
	return nil, nil
}
