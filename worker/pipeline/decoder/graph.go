// Package decoder holds the models that write token by token: encoder-decoders and
// causal language models in the layouts that Optimum and transformers.js export, with
// their key-value caches.
package decoder

import (
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
	partPositions
	partHidden
	partUseCache
	partSelf  // past or present of the decoder's own attention
	partCross // past or present of the attention to the encoder
	partLogits
	partKeep // of how many last positions the logits are wanted
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
	case "position_ids":
		return role{part: partPositions}, onnx.Int64, nil
	case "num_logits_to_keep", "logits_to_keep":
		return role{part: partKeep}, onnx.Int64, nil
	case "encoder_hidden_states", "last_hidden_state":
		return role{part: partHidden}, onnx.Float32, nil
	case "use_cache_branch":
		return role{part: partUseCache}, onnx.Bool, nil
	case "logits":
		return role{part: partLogits}, onnx.Float32, nil
	}
	// past_key_values.0.decoder.key, present.0.encoder.value; past_key_values.0.key
	words := strings.Split(name, ".")
	if len(words) < 3 || len(words) > 4 || words[0] != "past_key_values" && words[0] != "present" {
		return role{}, 0, fmt.Errorf("%q is no input or output that is known", name)
	}
	layer, err := strconv.Atoi(words[1])
	kind := words[len(words)-1]
	if err != nil || layer < 0 || layer > 1<<10 || kind != "key" && kind != "value" {
		return role{}, 0, fmt.Errorf("%q has no layer", name)
	}
	r := role{part: partSelf, layer: layer, value: kind == "value"}
	if words[2] == "encoder" {
		r.part = partCross
	}
	return r, onnx.Float32, nil
}

// Bounds of what a file may say: far above any model, and so low that no product of
// them with rows and positions overflows.
const (
	maxHeads      = 1 << 12
	maxWidth      = 1 << 20
	maxVocabulary = 1 << 24
)

// shape is what one cache holds for a row and position: heads times dim values.
type shape struct{ heads, dim int }

func (s shape) size() int { return s.heads * s.dim }

// shapes finds those of the decoder's own caches among a graph's inputs, in the order
// of their numbers. What the graph leaves open is heads and dim.
func (g *graph) shapes(heads, dim int) ([]shape, error) {
	var all []shape
	for i, p := range g.session.Inputs() {
		r := g.inputs[i]
		if r.part != partSelf {
			continue
		}
		if len(p.Shape) != 4 {
			return nil, fmt.Errorf("%w: the cache %q has %d dimensions, not 4", bundle.ErrBroken, p.Name, len(p.Shape))
		}
		for len(all) <= r.cache() {
			all = append(all, shape{})
		}
		s := shape{int(p.Shape[1]), int(p.Shape[3])}
		if s.heads <= 0 {
			s.heads = heads
		}
		if s.dim <= 0 {
			s.dim = dim
		}
		all[r.cache()] = s
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: the decoder has no key-value cache", bundle.ErrBroken)
	}
	for i, s := range all {
		if s.heads <= 0 || s.dim <= 0 || s.heads > maxHeads || s.dim > maxWidth {
			return nil, fmt.Errorf("%w: cache %d is missing, or nothing tells sizes that can be (%d heads, %d wide)", bundle.ErrBroken, i, s.heads, s.dim)
		}
	}
	return all, nil
}

// vocabulary is the width of the logits, or what the configuration says where the
// graph leaves it open.
func (g *graph) vocabulary(configured int) int {
	for i, p := range g.session.Outputs() {
		if g.outputs[i].part == partLogits && len(p.Shape) == 3 && p.Shape[2] > 0 {
			return int(p.Shape[2])
		}
	}
	return configured
}

// has tells whether the graph has an input of a part.
func (g *graph) has(p part) bool {
	for _, r := range g.inputs {
		if r.part == p {
			return true
		}
	}
	return false
}
