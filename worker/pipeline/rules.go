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
	// origin is how many tokens an output begins with, limit how many it may have.
	origin, limit int
	// source is what the encoder read, or the prompt.
	source           []int64
	biases           []bundle.SequenceBias
	sourceRepetition float32
	repetition       float32
	ngram            int
	sourceNGram      int
	badTokens        []int64
	badSequences     [][]int64
	eos              []int64
	minLength        int
	forcedBOS        []int64
	forcedEOS        []int64
	decay            *bundle.LengthDecay
	suppress         []int64
	beginSuppress    []int64
	beginLength      int
	renormalize      bool
}

// newRules makes the rules for an output that begins with origin tokens.
func newRules(g *bundle.Generation, source []int64, origin, limit int) *rules {
	r := &rules{
		origin: origin, limit: limit, source: source, biases: g.SequenceBias,
		sourceRepetition: float32(1 / g.EncoderRepetitionPenalty), repetition: float32(g.RepetitionPenalty),
		ngram: g.NoRepeatNGram, sourceNGram: g.EncoderNoRepeatNGram, eos: g.EOS, minLength: g.MinLength,
		forcedEOS: g.ForcedEOS, decay: g.ExponentialDecay, suppress: g.Suppress,
		beginSuppress: g.BeginSuppress, beginLength: origin, renormalize: g.Renormalize,
	}
	if g.MinNewTokens != nil {
		r.minLength = max(r.minLength, *g.MinNewTokens+origin)
	}
	if g.ForcedBOS != nil {
		r.forcedBOS = []int64{*g.ForcedBOS}
		if origin == 1 {
			r.beginLength = 2
		}
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
func (r *rules) scalesRow() bool {
	return r.repetition != 1 || r.sourceRepetition != 1 || r.decay != nil || len(r.biases) > 0
}

// edit applies the rules to a row of logits or log-probabilities, after the
// tokens written so far, those that the output began with first.
func (r *rules) edit(row []float32, written []int64) {
	r.bias(row, written)
	penalize(row, r.source, r.sourceRepetition)
	penalize(row, written, r.repetition)
	banNGrams(row, written, written, r.ngram)
	banNGrams(row, r.source, written, r.sourceNGram)
	ban(row, r.badTokens)
	for _, word := range r.badSequences {
		if follows(word, written) {
			ban(row, word[len(word)-1:])
		}
	}
	if len(written) < r.minLength {
		ban(row, r.eos)
	}
	r.hasten(row, len(written))
	ban(row, r.suppress)
	if len(written) == r.beginLength {
		ban(row, r.beginSuppress)
	}
}

// bias is SequenceBiasLogitsProcessor.
func (r *rules) bias(row []float32, written []int64) {
	for _, b := range r.biases {
		if len(b.Tokens) == 0 {
			continue
		}
		last := b.Tokens[len(b.Tokens)-1]
		if last >= 0 && last < int64(len(row)) && (len(b.Tokens) == 1 || follows(b.Tokens, written)) {
			row[last] += float32(b.Bias)
		}
	}
}

// follows tells whether all of a sequence but its last token stands at the end of
// what was written.
func follows(sequence, written []int64) bool {
	prefix := sequence[:len(sequence)-1]
	return len(sequence) <= len(written) && slices.Equal(written[len(written)-len(prefix):], prefix)
}

// hasten is ExponentialDecayLengthPenalty, which makes the end ever more probable.
func (r *rules) hasten(row []float32, length int) {
	if r.decay == nil {
		return
	}
	since := length - r.origin - r.decay.Start
	if since <= 0 {
		return
	}
	factor := float32(math.Pow(r.decay.Factor, float64(since)) - 1)
	for _, t := range r.eos {
		if t >= 0 && t < int64(len(row)) {
			row[t] += abs(row[t]) * factor
		}
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
func penalize(row []float32, written []int64, penalty float32) {
	if penalty == 1 {
		return
	}
	seen := make(map[int64]bool, len(written))
	for _, t := range written {
		if t < 0 || t >= int64(len(row)) || seen[t] {
			continue
		}
		seen[t] = true
		if row[t] < 0 {
			row[t] *= penalty
		} else {
			row[t] /= penalty
		}
	}
}

// banNGrams is NoRepeatNGramLogitsProcessor: no token that would end a run of
// size tokens that stands in text.
func banNGrams(row []float32, text, written []int64, size int) {
	head := size - 1
	if size <= 0 || len(written) < head {
		return
	}
	current := written[len(written)-head:]
	for start := 0; start+size <= len(text); start++ {
		if slices.Equal(text[start:start+head], current) {
			ban(row, text[start+head:start+size])
		}
	}
}
