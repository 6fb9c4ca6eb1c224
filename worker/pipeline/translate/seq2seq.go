package translate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"parley/worker/bundle"
	"parley/worker/onnx"
)

// role is what an input or output of a graph is for.
type role struct {
	part  part
	layer int
	// value tells a value cache from a key cache.
	value bool
}

type part int

const (
	partIDs part = iota
	partMask
	partHidden
	partUseCache
	partSelf  // past or present of the decoder's own attention
	partCross // past or present of the attention to the encoder
	partLogits
)

// cache is the number of a key or value cache among its kind.
func (r role) cache() int {
	n := 2 * r.layer
	if r.value {
		n++
	}
	return n
}

// graph is a loaded model file with the roles of its inputs and outputs.
type graph struct {
	session *onnx.Session
	inputs  []role
	outputs []role
}

func openGraph(path string, threads int) (*graph, error) {
	session, err := onnx.Open(path, onnx.Options{Threads: threads})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	g := &graph{session: session}
	g.inputs, err = roles(session.Inputs())
	if err == nil {
		g.outputs, err = roles(session.Outputs())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", bundle.ErrBroken, path, err), session.Close())
	}
	return g, nil
}

func roles(ports []onnx.Port) ([]role, error) {
	all := make([]role, len(ports))
	for i, p := range ports {
		r, want, err := roleOf(p.Name)
		if err != nil {
			return nil, err
		}
		if p.Type != want {
			return nil, fmt.Errorf("%q is of %v, not of %v", p.Name, p.Type, want)
		}
		all[i] = r
	}
	return all, nil
}

// roleOf reads the names that Optimum gives (optimum/exporters/onnx).
func roleOf(name string) (role, onnx.Type, error) {
	switch name {
	case "input_ids":
		return role{part: partIDs}, onnx.Int64, nil
	case "attention_mask", "encoder_attention_mask":
		return role{part: partMask}, onnx.Int64, nil
	case "encoder_hidden_states", "last_hidden_state":
		return role{part: partHidden}, onnx.Float32, nil
	case "use_cache_branch":
		return role{part: partUseCache}, onnx.Bool, nil
	case "logits":
		return role{part: partLogits}, onnx.Float32, nil
	}
	// past_key_values.0.decoder.key, present.0.encoder.value
	words := strings.Split(name, ".")
	if len(words) != 4 || words[0] != "past_key_values" && words[0] != "present" {
		return role{}, 0, fmt.Errorf("%q is no input or output that is known", name)
	}
	layer, err := strconv.Atoi(words[1])
	if err != nil || layer < 0 || layer > 1<<10 {
		return role{}, 0, fmt.Errorf("%q has no layer", name)
	}
	r := role{part: partSelf, layer: layer, value: words[3] == "value"}
	if words[2] == "encoder" {
		r.part = partCross
	}
	return r, onnx.Float32, nil
}

// seq2seq is a loaded encoder and decoder with a key-value cache. Where the
// export keeps two decoders instead of a merged one, first and next differ.
type seq2seq struct {
	encoder     *graph
	first, next *graph
	// caches is how many key and value caches the decoder has, of heads times
	// dim values a position and row.
	caches, heads, dim int
	width, vocabulary  int
	positions          int
	threads            int
}

func openSeq2seq(b *bundle.Bundle, threads int) (*seq2seq, error) {
	m := &seq2seq{width: b.Config.Width, positions: b.Config.Positions, threads: max(1, threads)}
	if err := m.openGraphs(b, threads); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *seq2seq) openGraphs(b *bundle.Bundle, threads int) error {
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

// measure finds the sizes in the graph, and in the configuration what the
// graph leaves open.
func (m *seq2seq) measure(c *bundle.Config) error {
	for i, p := range m.next.session.Inputs() {
		r := m.next.inputs[i]
		if r.part != partSelf || len(p.Shape) != 4 {
			continue
		}
		m.caches = max(m.caches, r.cache()+1)
		m.heads, m.dim = int(p.Shape[1]), int(p.Shape[3])
	}
	if m.heads <= 0 {
		m.heads = c.DecoderHeads
	}
	if m.dim <= 0 && m.heads > 0 {
		m.dim = c.Width / m.heads
	}
	m.vocabulary = c.DecoderVocab
	if m.vocabulary <= 0 {
		m.vocabulary = c.VocabSize
	}
	for i, p := range m.first.session.Outputs() {
		if m.first.outputs[i].part == partLogits && len(p.Shape) == 3 && p.Shape[2] > 0 {
			m.vocabulary = int(p.Shape[2])
		}
	}
	if m.caches == 0 || m.heads <= 0 || m.dim <= 0 || m.vocabulary <= 0 || m.width <= 0 || m.positions <= 0 {
		return fmt.Errorf("%w: the decoder has no key-value cache or config.json lacks its sizes", bundle.ErrBroken)
	}
	return nil
}

func (m *seq2seq) close() error {
	var errs []error
	for _, g := range []*graph{m.encoder, m.first, m.next} {
		if g != nil {
			errs = append(errs, g.session.Close())
		}
	}
	return errors.Join(errs...)
}

// encode runs the encoder over inputs, padded on the right, and leaves its
// output in d.
func (m *seq2seq) encode(ctx context.Context, d *decoding, inputs [][]int64, pad int64) error {
	rows, length := len(inputs), 0
	for _, ids := range inputs {
		length = max(length, len(ids))
	}
	d.rows, d.length = rows, length
	ids, err := onnx.NewTensor[int64](&d.ids, int64(rows), int64(length))
	if err != nil {
		return err
	}
	defer ids.Close()
	if err := d.mask.Reserve(8 * rows * d.beams * length); err != nil {
		return err
	}
	mask, err := onnx.NewTensor[int64](&d.mask, int64(rows), int64(length))
	if err != nil {
		return err
	}
	defer mask.Close()
	for i, input := range inputs {
		for j := range length {
			at, id, seen := i*length+j, pad, int64(0)
			if j < len(input) {
				id, seen = input[j], 1
			}
			ids.Int64()[at], mask.Int64()[at] = id, seen
		}
	}
	// The cached step wants a tensor of its full height; see decoding.step.
	if err := d.hidden.Reserve(4 * rows * d.beams * length * m.width); err != nil {
		return err
	}
	hidden, err := onnx.NewTensor[float32](&d.hidden, int64(rows), int64(length), int64(m.width))
	if err != nil {
		return err
	}
	defer hidden.Close()
	in := make([]*onnx.Tensor, len(m.encoder.inputs))
	for i, r := range m.encoder.inputs {
		in[i] = ids
		if r.part == partMask {
			in[i] = mask
		}
	}
	return m.encoder.session.Run(ctx, in, []*onnx.Tensor{hidden})
}
