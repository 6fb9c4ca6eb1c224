package decoder

import (
	"context"
	"errors"
	"fmt"

	"parley/worker/onnx"
)

// languageRun is one run of a causal model: tokens of each row behind past positions.
type languageRun struct {
	*language
	rows, past, tokens int
	// room is how many positions the caches have room for where they are shared: they
	// are read and written in place then, and the mask tells how long each row is.
	room int
	// ids and positions are rows times tokens long, mask rows times past+tokens.
	ids, mask, positions []int64
	// before are the caches that are read, after those that are written.
	before, after []onnx.Memory
}

// do gives the logits of every position, or of the last one where the graph can.
func (l *languageRun) do(ctx context.Context) ([]float32, error) {
	r := run{graph: l.graph}
	defer r.close()
	err := r.bind(l.input, l.output)
	if err == nil {
		err = r.do(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("language model: %w", err)
	}
	return r.logits.Float32(), nil
}

func (l *languageRun) input(role role) (*onnx.Tensor, error) {
	rows := int64(l.rows)
	switch role.part {
	case partIDs:
		return filled(&l.language.ids, l.ids, rows, int64(l.tokens))
	case partMask:
		return filled(&l.language.mask, l.mask, rows, int64(l.past+l.tokens))
	case partPositions:
		return filled(&l.language.positions, l.positions, rows, int64(l.tokens))
	case partKeep:
		return onnx.NewScalar[int64](1)
	case partSelf:
		return l.cache(l.before, role, l.past)
	}
	return nil, errors.New("unexpected input")
}

func (l *languageRun) output(role role) (*onnx.Tensor, error) {
	switch role.part {
	case partLogits:
		given := l.tokens
		if l.keep {
			given = 1
		}
		return onnx.NewTensor[float32](&l.logits, int64(l.rows), int64(given), int64(l.size.Vocabulary))
	case partSelf:
		return l.cache(l.after, role, l.past+l.tokens)
	}
	return nil, nil
}

// cache is the tensor of a cache that holds a number of positions.
func (l *languageRun) cache(of []onnx.Memory, role role, positions int) (*onnx.Tensor, error) {
	s := l.caches[role.cache()]
	if l.room > 0 {
		positions = l.room
	}
	return onnx.NewTensor[float32](&of[role.cache()], int64(l.rows), int64(s.heads), int64(positions), int64(s.dim))
}
