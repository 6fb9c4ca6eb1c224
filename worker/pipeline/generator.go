package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"parley/worker/bundle"
)

// generator writes outputs with a model. It keeps its buffers from batch to
// batch and is not safe for concurrent use.
type generator struct {
	model    *seq2seq
	decoding *decoding
}

func newGenerator(m *seq2seq) *generator { return &generator{model: m, decoding: newDecoding(m)} }

func (g *generator) close() { g.decoding.close() }

// batch is work for a generator.
type batch struct {
	// inputs are token ids with their end token.
	inputs   [][]int64
	settings bundle.Generation
	// dropped tells, between two steps, that input i is no longer wanted; done
	// receives each output, with its start token, as soon as it is complete.
	// Both may be nil, and are called on the caller's goroutine.
	dropped func(i int) bool
	done    func(i int, output []int64)
}

var errNoScores = errors.New("the model gave no numbers")

// search is one input's way through a batch.
type search interface {
	// width is how many rows it has after the first step.
	width() int
	// advance takes a step. row gives the logits of one of its beams, which it
	// may change.
	advance(row func(beam int) []float32) error
	// step gives for each beam the beam that it continues and its newest token.
	step(beam int) (parent int, token int64)
	// output is the result, nil while the search goes on.
	output() []int64
}

// run decodes the batch. It returns the error of ctx when that ends first.
func (g *generator) run(ctx context.Context, b batch) error {
	if len(b.inputs) == 0 {
		return nil
	}
	limit := b.settings.Limit(g.model.positions)
	r := newRules(&b.settings, limit)
	beams := b.settings.NumBeams
	live := make([]slot, 0, len(b.inputs))
	for i := range b.inputs {
		var s search
		if beams == 1 {
			s = newGreedy(r, b.settings.DecoderStart, limit)
		} else {
			s = newBeams(r, &b.settings, limit)
		}
		live = append(live, slot{input: i, search: s})
	}
	logits, err := g.decoding.begin(ctx, b.inputs, b.settings.Pad, b.settings.DecoderStart, beams)
	rows := 1
	for {
		if err != nil {
			return err
		}
		if err := g.advance(live, logits, rows); err != nil {
			return err
		}
		var last []int64
		if live, last, err = g.arrange(live, rows, b); err != nil || len(live) == 0 {
			return err
		}
		rows = beams
		logits, err = g.decoding.forward(ctx, last)
	}
}

// slot is an input that is not finished yet.
type slot struct {
	input  int
	search search
}

// advance takes a step with every search; the work over the vocabulary is
// shared by as many goroutines as the model has threads, which idle now.
func (g *generator) advance(live []slot, logits []float32, rows int) error {
	errs := make([]error, len(live))
	size := g.model.vocabulary
	spread(len(live), g.model.threads, func(i int) {
		errs[i] = live[i].search.advance(func(beam int) []float32 {
			// In the first step all beams share a row.
			at := (i*rows + min(beam, rows-1)) * size
			return logits[at : at+size : at+size]
		})
	})
	return errors.Join(errs...)
}

// spread calls do for 0 to n-1 on up to threads goroutines.
func spread(n, threads int, do func(i int)) {
	threads = min(threads, n)
	var wait sync.WaitGroup
	for t := 1; t < threads; t++ {
		wait.Go(func() {
			for i := t; i < n; i += threads {
				do(i)
			}
		})
	}
	for i := 0; i < n; i += max(threads, 1) {
		do(i)
	}
	wait.Wait()
}

// arrange hands out what is complete, closes the gaps and moves the rows of the
// caches to where the beams are now. It gives the searches that go on and the
// newest token of each row.
func (g *generator) arrange(live []slot, rows int, b batch) ([]slot, []int64, error) {
	before := make([]int, 0, len(live)*rows)
	for _, s := range live {
		before = append(before, slices.Repeat([]int{s.input}, rows)...)
	}
	from := make([]int, 0, len(live))
	for i := 0; i < len(live); i++ {
		from = append(from, i)
	}
	for i := 0; i < len(live); {
		output := live[i].search.output()
		if output == nil && (b.dropped == nil || !b.dropped(live[i].input)) {
			i++
			continue
		}
		if output != nil && b.done != nil {
			b.done(live[i].input, output)
		}
		// The last one fills the gap, so that few rows move.
		end := len(live) - 1
		live[i], from[i] = live[end], from[end]
		live, from = live[:end], from[:end]
	}
	var parents, after []int
	var last []int64
	for i, s := range live {
		for beam := range s.search.width() {
			parent, token := s.search.step(beam)
			parents = append(parents, from[i]*rows+min(parent, rows-1))
			after = append(after, s.input)
			last = append(last, token)
		}
	}
	if len(live) == 0 {
		return nil, nil, nil
	}
	return live, last, g.decoding.arrange(parents, before, after)
}

// greedy takes the most probable token at each step.
type greedy struct {
	rules   *rules
	written []int64
	limit   int
	ended   bool
}

func newGreedy(r *rules, start int64, limit int) *greedy {
	return &greedy{rules: r, written: []int64{start}, limit: limit}
}

func (g *greedy) width() int { return 1 }

func (g *greedy) advance(row func(int) []float32) error {
	token := int64(-1)
	if forced := g.rules.forced(len(g.written)); len(forced) > 0 {
		token = slices.Min(forced)
	} else {
		logits := row(0)
		g.rules.edit(logits, g.written)
		top := forbidden
		for i, x := range logits {
			if x > top {
				top, token = x, int64(i)
			}
		}
	}
	if token < 0 {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, errNoScores)
	}
	g.written = append(g.written, token)
	g.ended = slices.Contains(g.rules.eos, token) || len(g.written) >= g.limit
	return nil
}

func (g *greedy) step(int) (int, int64) { return 0, g.written[len(g.written)-1] }

func (g *greedy) output() []int64 {
	if !g.ended {
		return nil
	}
	return g.written
}

// powLength is length to the power of the length penalty, as a float32 divisor.
func powLength(length int, penalty float64) float32 {
	return float32(math.Pow(float64(length), penalty))
}
