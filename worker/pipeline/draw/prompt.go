package draw

import (
	"unicode"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker/pipeline"
)

// Reads tells how many tokens a prompt has, with what the model puts around it, how many
// the model reads at most, and how many bytes of the prompt that leaves: it is told between
// two words, and what lies behind is cut off. It fails with a *pipeline.Error.
func (p *Painter) Reads(prompt string) (tokens, most, kept int, err error) {
	switch {
	case len(prompt) > maxPrompt:
		return 0, 0, 0, pipeline.NewError(jobspec.CodeInvalidInput, "The prompt has more than %d bytes.", maxPrompt)
	case !utf8.ValidString(prompt):
		return 0, 0, 0, pipeline.NewError(jobspec.CodeInvalidInput, "The prompt is not valid UTF-8.")
	}
	tokens, most = len(p.tokenizer.Encode(prompt)), p.config.words
	if tokens <= most {
		return tokens, most, len(prompt), nil
	}
	ends := wordEnds(prompt)
	low, high := 0, len(ends)+1 // so many words have room, so many have not
	for low+1 < high {
		middle := (low + high) / 2
		if len(p.tokenizer.Encode(prompt[:ends[middle-1]])) <= most {
			low = middle
		} else {
			high = middle
		}
	}
	if low == 0 {
		return tokens, most, 0, nil
	}
	return tokens, most, ends[low-1], nil
}

// wordEnds gives where the words of a text end, in bytes.
func wordEnds(text string) (ends []int) {
	inside := false
	for at, r := range text {
		if space := unicode.IsSpace(r); inside && space {
			ends = append(ends, at)
			inside = false
		} else if !space {
			inside = true
		}
	}
	if inside {
		ends = append(ends, len(text))
	}
	return ends
}
