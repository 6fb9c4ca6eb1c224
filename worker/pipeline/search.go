package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"parley/worker/bundle"
)

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
