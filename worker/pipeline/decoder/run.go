package decoder

import (
	"context"
	"errors"
	"fmt"

	"parley/worker/onnx"
)

// run holds the tensors of one run of a graph.
type run struct {
	graph   *graph
	in, out []*onnx.Tensor
	logits  *onnx.Tensor
}

// bind makes the tensors: input and output give those of a role. An output that is nil
// is made by ONNX Runtime and thrown away.
func (r *run) bind(input, output func(role) (*onnx.Tensor, error)) error {
	r.in, r.out = make([]*onnx.Tensor, len(r.graph.inputs)), make([]*onnx.Tensor, len(r.graph.outputs))
	for i, role := range r.graph.inputs {
		t, err := input(role)
		if err != nil {
			return err
		}
		r.in[i] = t
	}
	for i, role := range r.graph.outputs {
		t, err := output(role)
		if err != nil {
			return err
		}
		r.out[i] = t
		if role.part == partLogits {
			r.logits = t
		}
	}
	if r.logits == nil {
		return errors.New("it gives no logits")
	}
	return nil
}

func (r *run) do(ctx context.Context) error {
	return r.graph.session.Run(ctx, r.in, r.out)
}

func (r *run) close() {
	for _, t := range r.in {
		t.Close()
	}
	for _, t := range r.out {
		t.Close()
	}
}

// filled makes a tensor of whole numbers over m and fills it.
func filled(m *onnx.Memory, values []int64, shape ...int64) (*onnx.Tensor, error) {
	t, err := onnx.NewTensor[int64](m, shape...)
	if err != nil {
		return nil, err
	}
	if n := copy(t.Int64(), values); n != len(values) {
		t.Close()
		return nil, fmt.Errorf("%d values for a tensor of shape %v", len(values), shape)
	}
	return t, nil
}
