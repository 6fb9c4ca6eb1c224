package tokenizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/internal/testkit"
)

// Long texts without a place to split: what is quadratic would never come to
// an end.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	const size = 1 << 17
	for name, tok := range map[string]*Tokenizer{
		"gpt2": family(t, "gpt2"), "llama2": family(t, "llama2"), "t5": family(t, "t5"), "bert": family(t, "bert"),
		"m2m100": opened(t, testkit.Shared(t, "models", "tokenizers", "m2m100")), "regex": family(t, "regex"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, unit := range []string{"a", " ", "\u0301"} {
				text := strings.Repeat(unit, size/len(unit))
				ids := tok.Encode(text)
				assert.Equal(t, len(ids), len(tok.EncodeWithin(text, len(ids))))
				assert.LessOrEqual(t, len(tok.Decode(ids)), len(text)+1)
			}
		})
	}
}
