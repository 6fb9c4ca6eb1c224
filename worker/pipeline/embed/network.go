// Package embed turns texts and pictures into vectors: sentence embedders in the
// layout of sentence-transformers, and the two towers of CLIP, SigLIP and
// vision-text-dual-encoder models, whose vectors lie in one space.
package embed

import (
	"context"
	"fmt"
	"slices"

	"parley/worker/bundle"
	"parley/worker/onnx"
)

// network is a loaded model file that gives one output for a batch.
type network struct {
	session *onnx.Session
	output  onnx.Port
	// memory holds the inputs, one block for each, and answer the output.
	memory []onnx.Memory
	answer onnx.Memory
}

// need estimates the bytes that a run of rows with length tokens each takes: activations
// of about 16 times the width and the scores of the attention of one layer, and inputs.
func need(rows, length, width, heads int) float64 {
	r, l := float64(rows), float64(length)
	return 4 * r * l * (16*float64(max(width, 1)) + 2*float64(max(heads, 1))*l + 8)
}

// openNetwork loads the file name of a bundle. Of its outputs the first of wanted that
// is there is taken; inputs of another name than known are refused.
func openNetwork(b *bundle.Bundle, name string, threads int, known map[string]onnx.Type, wanted []string) (*network, error) {
	path, err := b.Graph(name)
	if err != nil {
		return nil, err
	}
	n := &network{}
	n.session, err = onnx.Open(path, onnx.Options{Threads: threads, Outputs: func(all []onnx.Port) []onnx.Port {
		for _, name := range wanted {
			if i := slices.IndexFunc(all, func(p onnx.Port) bool { return p.Name == name }); i >= 0 {
				return all[i : i+1]
			}
		}
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	if err := n.check(path, known); err != nil {
		_ = n.session.Close()
		return nil, err
	}
	n.memory = make([]onnx.Memory, len(n.session.Inputs()))
	return n, nil
}

func (n *network) check(path string, known map[string]onnx.Type) error {
	if len(n.session.Outputs()) != 1 {
		return fmt.Errorf("%w: %s has no output that is known", bundle.ErrBroken, path)
	}
	n.output = n.session.Outputs()[0]
	if n.output.Type != onnx.Float32 {
		return fmt.Errorf("%w: %s: %q is of %v, not of float32", bundle.ErrBroken, path, n.output.Name, n.output.Type)
	}
	for _, p := range n.session.Inputs() {
		if want, ok := known[p.Name]; !ok || p.Type != want {
			return fmt.Errorf("%w: %s: the input %q of %v is not known", bundle.ErrBroken, path, p.Name, p.Type)
		}
	}
	return nil
}

func (n *network) has(input string) bool {
	return slices.ContainsFunc(n.session.Inputs(), func(p onnx.Port) bool { return p.Name == input })
}

// run gives the output and its shape; the values are valid until the next run. fill
// makes the tensor of an input.
func (n *network) run(ctx context.Context, fill func(name string, m *onnx.Memory) (*onnx.Tensor, error)) ([]float32, []int64, error) {
	in := make([]*onnx.Tensor, len(n.memory))
	defer func() {
		for _, t := range in {
			t.Close()
		}
	}()
	for i, p := range n.session.Inputs() {
		t, err := fill(p.Name, &n.memory[i])
		if err != nil {
			return nil, nil, err
		}
		in[i] = t
	}
	out := []*onnx.Tensor{nil}
	if err := n.session.Run(ctx, in, out); err != nil {
		return nil, nil, err
	}
	defer out[0].Close()
	values := out[0].Float32()
	if err := n.answer.Reserve(4 * len(values)); err != nil {
		return nil, nil, err
	}
	kept := n.answer.Float32()[:len(values)]
	copy(kept, values)
	return kept, out[0].Shape(), nil
}

func (n *network) close() error {
	for i := range n.memory {
		n.memory[i].Free()
	}
	n.answer.Free()
	return n.session.Close()
}
