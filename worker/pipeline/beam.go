package pipeline

import (
	"slices"

	"parley/worker/bundle"
)

// hopeless is what the reference adds to the score of a beam that must not be
// chosen. It is finite there, and so it is here: where too few tokens are
// allowed, such beams are what is left.
const hopeless = float32(-1e9)

// beams is the beam search of transformers 4.57 (GenerationMixin._beam_search)
// for one input: each step takes the best candidates of all beams, those that
// end join the finished ones, the best of the others go on.
type beams struct {
	rules   *rules
	size    int
	penalty float64
	early   bundle.EarlyStopping
	// returned is how many outputs are wanted.
	returned int
	stop     func(written []int64) bool

	// running are the beams, length tokens long each; parents is where the
	// newest of them came from.
	running []hypothesis
	parents []int
	spare   [][]int64
	found   *best
	// finished are the best complete ones, the best first.
	finished []hypothesis
	ended    bool
}

type hypothesis struct {
	tokens []int64
	score  float32
}

func newBeams(r *rules, g *bundle.Generation, origin []int64, stop func([]int64) bool) *beams {
	b := &beams{
		rules: r, size: g.NumBeams, penalty: g.LengthPenalty, early: g.EarlyStopping,
		returned: g.NumReturnSequences, stop: stop,
		running: make([]hypothesis, g.NumBeams), parents: make([]int, g.NumBeams), spare: make([][]int64, g.NumBeams),
		// So many that enough are left when as many as possible end.
		found: newBest(max(2, 1+len(g.EOS)) * g.NumBeams),
	}
	for i := range b.running {
		b.running[i].tokens = append(make([]int64, 0, len(origin)+32), origin...)
		if i > 0 {
			b.running[i].score = hopeless
		}
	}
	return b
}

func (b *beams) width() int { return b.size }

func (b *beams) step(beam int) (int, int64) {
	tokens := b.running[beam].tokens
	return b.parents[beam], tokens[len(tokens)-1]
}

func (b *beams) outputs() []Output {
	if !b.ended {
		return nil
	}
	all := make([]Output, 0, b.returned)
	for _, h := range b.finished[:min(b.returned, len(b.finished))] {
		all = append(all, Output{h.tokens, h.score})
	}
	if len(all) == 0 {
		tokens := b.running[0].tokens
		all = append(all, Output{tokens, b.running[0].score / powLength(len(tokens)-b.rules.origin, b.penalty)})
	}
	return all
}

func (b *beams) advance(row func(int) []float32) error {
	length := len(b.running[0].tokens)
	b.collect(row, length)
	if len(b.found.found) == 0 {
		return b.rules.nothingLeft(row(0))
	}
	ends := make([]bool, len(b.found.found))
	all := true
	for i, c := range b.found.found {
		ends[i] = length+1 >= b.rules.limit || slices.Contains(b.rules.eos, c.token) || b.stops(c)
		all = all && ends[i]
	}
	b.finish(ends, length)
	b.proceed(ends)
	b.ended = all || !b.canImprove(length)
	return nil
}

// stops tells whether a candidate completes a stop string.
func (b *beams) stops(c candidate) bool {
	return b.stop != nil && b.stop(append(slices.Clone(b.running[c.beam].tokens), c.token))
}

// collect finds the best candidates of all beams.
func (b *beams) collect(row func(int) []float32, length int) {
	b.found.found = b.found.found[:0]
	forced := b.rules.forced(length)
	for i, h := range b.running {
		if len(forced) > 0 {
			for _, token := range forced {
				b.found.offer(candidate{score: h.score, beam: i, token: token})
			}
			continue
		}
		if length == b.rules.origin && i > 0 {
			// The beams are still equal and share a row.
			if len(b.found.found) == b.found.room {
				return
			}
			b.found.scan(row(0), b.scale(row(0), nil), i, h.score)
			continue
		}
		logits := row(i)
		b.found.scan(logits, b.scale(logits, h.tokens), i, h.score)
	}
}

// scale applies the rules to a row and gives what turns it into
// log-probabilities; nil tokens stand for a row that has been through it. The
// bans commute with the softmax, so that renormalizing is a softmax after them.
func (b *beams) scale(row []float32, tokens []int64) rowScale {
	if tokens == nil {
		if b.rules.scalesRow() && !b.rules.renormalize {
			return identity
		}
		return scaleOf(row)
	}
	if b.rules.scalesRow() {
		scaleOf(row).apply(row)
		b.rules.edit(row, tokens)
		if b.rules.renormalize {
			return scaleOf(row)
		}
		return identity
	}
	if b.rules.renormalize {
		b.rules.edit(row, tokens)
		return scaleOf(row)
	}
	scale := scaleOf(row)
	b.rules.edit(row, tokens)
	return scale
}

// finish moves the candidates that end into the finished ones, those among the
// best as many as there are beams.
func (b *beams) finish(ends []bool, length int) {
	divisor := powLength(length+1-b.rules.origin, b.penalty)
	for i, c := range b.found.found[:min(b.size, len(ends))] {
		if !ends[i] {
			continue
		}
		h := hypothesis{score: c.score / divisor}
		at := len(b.finished)
		for at > 0 && b.finished[at-1].score < h.score {
			at--
		}
		if at >= b.size {
			continue
		}
		h.tokens = append(slices.Clone(b.running[c.beam].tokens), c.token)
		b.finished = slices.Insert(b.finished, at, h)
		b.finished = b.finished[:min(len(b.finished), b.size)]
	}
}

// proceed makes the best candidates that don't end the running beams.
func (b *beams) proceed(ends []bool) {
	next := newBest(b.size)
	for i, c := range b.found.found {
		if ends[i] {
			c.score += hopeless
		}
		next.offer(c)
	}
	// Fewer candidates than beams: the least probable one is doubled, out of
	// reach.
	for len(next.found) < b.size {
		c := next.found[len(next.found)-1]
		c.score += hopeless
		next.found = append(next.found, c)
	}
	old := b.running
	b.running = make([]hypothesis, b.size)
	for i, c := range next.found {
		tokens := append(b.spare[i][:0], old[c.beam].tokens...)
		b.running[i] = hypothesis{tokens: append(tokens, c.token), score: c.score}
		b.parents[i] = c.beam
	}
	for i, h := range old {
		b.spare[i] = h.tokens
	}
}

// canImprove tells whether a better output may still come. length is that of
// the beams before this step.
func (b *beams) canImprove(length int) bool {
	if len(b.finished) < b.size {
		return true
	}
	if b.early == bundle.StopFirst {
		return false
	}
	written := length + 1 - b.rules.origin
	if b.early == bundle.StopNever && b.penalty > 0 {
		written = b.rules.limit - b.rules.origin
	}
	return b.running[0].score/powLength(written, b.penalty) > b.finished[b.size-1].score
}
