package pipeline

import (
	"math"
	"slices"

	"parley/worker/bundle"
)

var forbidden = float32(math.Inf(-1))

// rules are the logits processors of transformers 4.57 (generation/
// logits_process.py) that a bundle's settings ask for, in the order in which
// generate applies them.
type rules struct {
	repetition    float32
	ngram         int
	badTokens     []int64
	badSequences  [][]int64
	eos           []int64
	minLength     int
	forcedBOS     []int64
	forcedEOS     []int64
	suppress      []int64
	beginSuppress []int64
	beginLength   int
	limit         int
	renormalize   bool
}

func newRules(g *bundle.Generation, limit int) *rules {
	r := &rules{
		repetition: float32(g.RepetitionPenalty), ngram: g.NoRepeatNGram, eos: g.EOS, minLength: g.MinLength,
		forcedEOS: g.ForcedEOS, suppress: g.Suppress, beginSuppress: g.BeginSuppress, beginLength: 1,
		limit: limit, renormalize: g.Renormalize,
	}
	if g.MinNewTokens != nil {
		r.minLength = max(r.minLength, *g.MinNewTokens+1)
	}
	if g.ForcedBOS != nil {
		r.forcedBOS = []int64{*g.ForcedBOS}
		r.beginLength = 2
	}
	for _, word := range g.BadWords {
		switch {
		case len(word) == 1 && slices.Contains(g.EOS, word[0]), len(word) == 0:
			// The reference ignores a ban on the end.
		case len(word) == 1:
			r.badTokens = append(r.badTokens, word[0])
		default:
			r.badSequences = append(r.badSequences, word)
		}
	}
	return r
}

// forced gives the tokens of which one must come next, nil when any may.
func (r *rules) forced(length int) []int64 {
	var tokens []int64
	if length == r.limit-1 {
		tokens = r.forcedEOS
	}
	if tokens == nil && length == 1 {
		tokens = r.forcedBOS
	}
	return slices.DeleteFunc(slices.Clone(tokens), func(t int64) bool {
		return slices.Contains(r.suppress, t) || length == r.beginLength && slices.Contains(r.beginSuppress, t)
	})
}

// scalesRow tells whether edit depends on the values being log-probabilities.
func (r *rules) scalesRow() bool { return r.repetition != 1 }

// edit applies the rules to a row of logits or log-probabilities, after the
// tokens written so far, the start token first.
func (r *rules) edit(row []float32, written []int64) {
	if r.repetition != 1 {
		r.penalize(row, written)
	}
	if r.ngram > 0 {
		r.banNGrams(row, written)
	}
	ban(row, r.badTokens)
	for _, word := range r.badSequences {
		prefix := word[:len(word)-1]
		if len(word) <= len(written) && slices.Equal(written[len(written)-len(prefix):], prefix) {
			ban(row, word[len(prefix):])
		}
	}
	if len(written) < r.minLength {
		ban(row, r.eos)
	}
	ban(row, r.suppress)
	if len(written) == r.beginLength {
		ban(row, r.beginSuppress)
	}
}

func ban(row []float32, tokens []int64) {
	for _, t := range tokens {
		if t >= 0 && t < int64(len(row)) {
			row[t] = forbidden
		}
	}
}

// penalize is RepetitionPenaltyLogitsProcessor: each token once, however often
// it was written.
func (r *rules) penalize(row []float32, written []int64) {
	for i, t := range written {
		if t < 0 || t >= int64(len(row)) || slices.Contains(written[:i], t) {
			continue
		}
		if row[t] < 0 {
			row[t] *= r.repetition
		} else {
			row[t] /= r.repetition
		}
	}
}

// banNGrams is NoRepeatNGramLogitsProcessor: no token that would end a run of
// ngram tokens that was written before.
func (r *rules) banNGrams(row []float32, written []int64) {
	head := r.ngram - 1
	if len(written) < head {
		return
	}
	current := written[len(written)-head:]
	for start := 0; start+r.ngram <= len(written); start++ {
		if slices.Equal(written[start:start+head], current) {
			ban(row, written[start+head:start+r.ngram])
		}
	}
}
