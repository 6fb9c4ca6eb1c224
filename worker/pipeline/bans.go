package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"parley/internal/jobspec"
	"parley/worker/bundle"
)

// nothingLeft is why no token can follow, given a row of logits after the rules: the
// settings forbid them all, or the model gave no numbers.
func (r *rules) nothingLeft(row []float32) error {
	names := r.bans()
	if len(names) == 0 || slices.ContainsFunc(row, func(x float32) bool { return x != x }) {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, errNoScores)
	}
	return NewError(jobspec.CodeInvalidInput, "The settings leave no token that may follow: %s.", strings.Join(names, ", "))
}

// bans are the names of the settings that forbid tokens.
func (r *rules) bans() []string {
	var names []string
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"sequence_bias", len(r.biases) > 0},
		{"no_repeat_ngram_size", r.ngram > 0},
		{"encoder_no_repeat_ngram_size", r.sourceNGram > 0},
		{"bad_words_ids", len(r.badTokens)+len(r.badSequences) > 0},
		{"min_length or min_new_tokens", r.minLength > r.origin},
		{"suppress_tokens", len(r.suppress) > 0},
		{"begin_suppress_tokens", len(r.beginSuppress) > 0},
	} {
		if s.set {
			names = append(names, s.name)
		}
	}
	return names
}
