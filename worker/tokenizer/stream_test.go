package tokenizer

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"parley/internal/testkit"
)

// everyTokenizer are one of each kind of decoding.
func everyTokenizer(t testing.TB) map[string]*Tokenizer {
	t.Helper()
	all := map[string]*Tokenizer{}
	for _, name := range []string{
		"translate-mini", "minilm", "random/marian-random", "random/nllb-random", "random/t5-random",
		"random/gpt2-random", "random/qwen2-random", "random/bert-random", "random/clip-random", "tokenizers/m2m100",
	} {
		all[name] = opened(t, testkit.Shared(t, "models", filepath.FromSlash(name)))
	}
	return all
}

// streamed gives what a stream gives, checked to come in whole characters.
func streamed(t testing.TB, tok *Tokenizer, ids []int64) string {
	t.Helper()
	s := tok.Stream()
	var out strings.Builder
	for _, id := range ids {
		text := s.Add(id)
		if !utf8.ValidString(text) {
			t.Errorf("id %d of %v gives %q", id, ids, text)
		}
		out.WriteString(text)
	}
	out.WriteString(s.End())
	assert.Empty(t, s.Add(1))
	assert.Empty(t, s.End())
	return out.String()
}

func TestStreamGivesWhatDecodeGives(t *testing.T) {
	t.Parallel()
	for name, tok := range everyTokenizer(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draw := rand.New(rand.NewPCG(1, 2))
			for range 500 {
				ids := make([]int64, draw.IntN(12))
				for i := range ids {
					ids[i] = draw.Int64N(int64(tok.Size()) + 2)
				}
				assert.Equal(t, tok.Decode(ids), streamed(t, tok, ids), "%v", ids)
			}
		})
	}
}

// Text comes with the id that ends it, not later.
func TestStreamDoesNotWait(t *testing.T) {
	t.Parallel()
	for name, tok := range everyTokenizer(t) {
		const text = "the house is new"
		s := tok.Stream()
		var early string
		ids := tok.EncodePrompt(text)
		for _, id := range ids {
			early += s.Add(id)
		}
		assert.Equal(t, tok.Decode(ids), early+s.End(), name)
		assert.GreaterOrEqual(t, len(early), len("the house is "), "%s: %q", name, early)
	}
}

func TestStreamHoldsBackHalfCharacters(t *testing.T) {
	t.Parallel()
	tok := opened(t, testkit.Shared(t, "models", "random", "gpt2-random"))
	ids := tok.EncodeText("\U0001F469")
	assert.Len(t, ids, 4)
	s := tok.Stream()
	for _, id := range ids[:3] {
		assert.Empty(t, s.Add(id))
	}
	assert.Equal(t, "\U0001F469", s.Add(ids[3]))
	assert.Equal(t, "", s.Add(ids[0]))
	assert.Equal(t, "\uFFFD", s.End())
}
