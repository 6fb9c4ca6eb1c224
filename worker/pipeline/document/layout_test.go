package document

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"Hello there. How are you?":                    {"Hello there.", "How are you?"},
		"Mr. Smith met Dr. Jones at 5 p.m. yesterday.": {"Mr. Smith met Dr. Jones at 5 p.m. yesterday."},
		"J. R. Smith wrote it. It cost 3.50 euros.":    {"J. R. Smith wrote it.", "It cost 3.50 euros."},
		`"Stop!" he said. "Why?" "Because."`:           {`"Stop!" he said.`, `"Why?"`, `"Because."`},
		"Wait... what? No!! Yes.":                      {"Wait... what?", "No!!", "Yes."},
		"¿Qué? ¡Nada! Bien.":                           {"¿Qué?", "¡Nada!", "Bien."},
		"- one\n* two\n3. three\n  a) four":            {"one", "two", "three", "four"},
		"\u4eca\u65e5\u306f\u3002\u5143\u6c17\uff1f":   {"\u4eca\u65e5\u306f\u3002", "\u5143\u6c17\uff1f"},
		"See parley.json for more. Done":               {"See parley.json for more.", "Done"},
		"```\ncode here\n```\nText":                    {"Text"},
		"*bold* text":                                  {"*bold* text"},
	}
	for text, want := range tests {
		var got []string
		for _, s := range Split(text, "en") {
			if s.Sentence {
				got = append(got, s.Text)
			}
		}
		assert.Equal(t, want, got, "%q", text)
	}
	assert.Len(t, Split("Am 3. Mai. Danach.", "de"), 3, "ordinal")
}

func TestSplitLongFits(t *testing.T) {
	t.Parallel()
	short := func(s string) bool { return len(s) <= 20 }
	for _, text := range []string{"one two, three four five six seven; eight", strings.Repeat("x", 90), strings.Repeat("日本", 30), "a  b\tc " + strings.Repeat("d ", 40) + "e"} {
		segments := SplitLong(text, short)
		assert.Equal(t, text, Join(segments), "%q lost something: %v", text, segments)
		for _, s := range segments {
			assert.False(t, s.Sentence && !short(s.Text), "%q is too long", s.Text)
		}
	}
}

// The segments of any text make up the text.
func FuzzNothingIsLost(f *testing.F) {
	for _, s := range []string{"a. B\r\n\n - c", "1. x\n\t> y 👍🏽!", "\u00a0x\u2003", "```\na", "Привет мир. Hi 日本, a@b.c", "  \r \n", "\x00. A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		segments := Split(text, "en")
		require.Equal(t, text, Join(segments))
		for _, s := range segments {
			if !s.Sentence {
				continue
			}
			long := SplitLong(s.Text, func(s string) bool { return len(s) < 8 })
			require.Equal(t, s.Text, Join(long))
		}
	})
}
