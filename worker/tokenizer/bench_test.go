package tokenizer

import (
	"strings"
	"testing"
)

// benchmarkTexts are lines as they come, and one text of all of them.
func benchmarkTexts(b *testing.B) (texts []string, size int) {
	b.Helper()
	texts = sharedTexts(b)
	for _, s := range texts {
		size += len(s)
	}
	return texts, size
}

func BenchmarkFamily(b *testing.B) {
	texts, size := benchmarkTexts(b)
	for _, name := range families {
		tok := family(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, s := range texts {
					tok.Encode(s)
				}
			}
		})
	}
}

// Words that no cache has seen.
func BenchmarkFreshWords(b *testing.B) {
	texts, size := benchmarkTexts(b)
	for _, name := range families {
		tok := family(b, name)
		e := tok.engine.(*jsonEngine)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				for i := range e.cache.places {
					e.cache.places[i].Store(nil)
				}
				for _, s := range texts {
					tok.Encode(s)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	text := strings.Join(sharedTexts(b), "\n")
	for _, name := range families {
		tok := family(b, name)
		ids := tok.Encode(text)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Decode(ids)
			}
		})
	}
}
