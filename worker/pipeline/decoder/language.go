package decoder

import (
	"errors"
	"fmt"
	"strings"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// Model is a decoder that was loaded.
type Model interface {
	pipeline.Decoder
	// Close releases the model.
	Close() error
}

// language is a loaded causal language model.
type language struct {
	graph  *graph
	caches []shape
	size   pipeline.Dimensions
	// keep tells that the graph gives the logits of the last position alone where it
	// is asked to; part is how many positions of a prompt are read at once.
	keep bool
	part int
	// shares tells that the caches may lie in one buffer before and after a step, with
	// room behind them.
	shares bool

	ids, mask, positions, logits onnx.Memory
}

// OpenCausal loads the file "model" of a bundle. The error wraps bundle.ErrMissing or
// bundle.ErrBroken. ONNX Runtime must have been started.
func OpenCausal(b *bundle.Bundle, threads int) (Model, error) {
	l := &language{size: pipeline.Dimensions{Positions: b.Config.Positions, Threads: max(1, threads), Prompted: true}}
	if err := l.open(b, threads); err != nil {
		return nil, errors.Join(err, l.close())
	}
	if l.shares {
		return newShared(l), nil
	}
	return newConcatenated(l), nil
}

func (l *language) open(b *bundle.Bundle, threads int) error {
	path, err := b.Graph("model")
	if err != nil {
		return err
	}
	if l.graph, err = openGraph(path, threads); err != nil {
		return err
	}
	if l.caches, err = l.graph.shapes(b.Config.KeyHeads(), b.Config.HeadWidth()); err != nil {
		return err
	}
	l.size.Vocabulary = l.graph.vocabulary(b.Config.VocabSize)
	if l.size.Vocabulary <= 0 || l.size.Vocabulary > maxVocabulary {
		return fmt.Errorf("%w: nothing tells a size of the vocabulary that can be (%d)", bundle.ErrBroken, l.size.Vocabulary)
	}
	var pasts []string
	for _, p := range l.graph.session.Inputs() {
		if strings.HasPrefix(p.Name, "past_key_values.") {
			pasts = append(pasts, p.Name)
		}
	}
	l.shares = l.graph.session.Graph().Shares(pasts) && l.graph.has(partMask)
	l.keep = l.graph.has(partKeep)
	// Where caches are concatenated, a row without positions of its own can't have
	// masked ones in front.
	l.size.Single = l.graph.session.Graph().Dynamic() || !l.shares && (!l.graph.has(partPositions) || !l.graph.has(partMask))
	l.part = partOf(l.size.Vocabulary, l.keep)
	l.size.Footprint = l.footprint(&b.Config)
	return nil
}

// footprint estimates what rows take: the caches before and after a step, those of their
// prompts until they join, the mask, logits, and activations of about 16 times the width
// for each token that a step reads.
func (l *language) footprint(c *bundle.Config) pipeline.Footprint {
	activations := 4 * 16 * float64(max(c.Width, 0))
	logits := 4 * float64(l.size.Vocabulary)
	given := float64(l.part)
	if l.keep {
		given = 1
	}
	return pipeline.Footprint{
		Fixed: given*logits + float64(l.part)*activations, Row: 2*logits + activations, Written: 3*4*floats(l.caches) + 8,
	}
}

// floats is how many numbers all caches hold for a row and position.
func floats(caches []shape) float64 {
	sum := 0.0
	for _, s := range caches {
		sum += float64(s.heads) * float64(s.dim)
	}
	return sum
}

// partOf is how many positions of a prompt are read at once: a multiple of 16, with
// which the parts give the same as the whole, and so many that the logits of all of
// them, which most graphs give, take 64 MiB at most. Parts of 64 to 256 take the same time
// together, and in front of every part the others wait for the one before.
func partOf(vocabulary int, keep bool) int {
	const most = 64
	if keep {
		return most
	}
	return min(most, max(16, 64<<20/(4*vocabulary)/16*16))
}

func (l *language) close() error {
	for _, b := range []*onnx.Memory{&l.ids, &l.mask, &l.positions, &l.logits} {
		b.Free()
	}
	if l.graph == nil {
		return nil
	}
	return l.graph.session.Close()
}
