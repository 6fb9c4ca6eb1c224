package pipeline

import (
	"errors"
	"math"
	"slices"
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
	// outputs are the results, the best first, each with what it began with; nil
	// while the search goes on.
	outputs() []Output
}

// newSearch makes the search that a request's settings ask for. An output begins with
// the tokens of origin and has at most limit.
func newSearch(r *Request, origin []int64, limit int) search {
	rules := newRules(&r.Settings, r.Input, len(origin), limit)
	if r.Settings.NumBeams > 1 {
		return newBeams(rules, &r.Settings, origin, r.Stop)
	}
	c := newChain(rules, origin)
	c.recorded, c.stop, c.wrote = r.Recorded, r.Stop, r.Wrote
	if r.Settings.DoSample {
		c.sampler = newSampler(&r.Settings, r.Seed, r.Sequence)
	}
	return c
}

// chain writes one token behind the other: the most probable one, or one that is
// drawn.
type chain struct {
	rules   *rules
	written []int64
	// recorded are tokens that an earlier attempt wrote behind the origin.
	recorded []int64
	// sampler draws, nil for the most probable token.
	sampler *sampler
	stop    func(written []int64) bool
	wrote   func(token int64)
	ended   bool
}

func newChain(r *rules, origin []int64) *chain {
	return &chain{rules: r, written: slices.Clone(origin)}
}

func (c *chain) width() int { return 1 }

func (c *chain) advance(row func(int) []float32) error {
	at := len(c.written) - c.rules.origin
	if at < len(c.recorded) {
		c.append(c.recorded[at])
		return nil
	}
	token, err := c.choose(row, uint64(at))
	if err != nil {
		return err
	}
	c.append(token)
	if c.wrote != nil {
		c.wrote(token)
	}
	return nil
}

func (c *chain) choose(row func(int) []float32, at uint64) (int64, error) {
	if forced := c.rules.forced(len(c.written)); len(forced) > 0 {
		return slices.Min(forced), nil
	}
	logits := row(0)
	c.rules.edit(logits, c.written)
	token := int64(-1)
	if c.sampler != nil {
		token = c.sampler.draw(logits, at)
	} else {
		top := forbidden
		for i, x := range logits {
			if x > top {
				top, token = x, int64(i)
			}
		}
	}
	if token < 0 {
		return 0, c.rules.nothingLeft(logits)
	}
	return token, nil
}

func (c *chain) append(token int64) {
	c.written = append(c.written, token)
	c.ended = slices.Contains(c.rules.eos, token) || len(c.written) >= c.rules.limit || c.stop != nil && c.stop(c.written)
}

func (c *chain) step(int) (int, int64) { return 0, c.written[len(c.written)-1] }

func (c *chain) outputs() []Output {
	if !c.ended {
		return nil
	}
	return []Output{{Tokens: c.written}}
}

// powLength is length to the power of the length penalty, as a float32 divisor.
func powLength(length int, penalty float64) float32 {
	return float32(math.Pow(float64(length), penalty))
}
