package document

import (
	"slices"
	"strings"
	"testing"
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
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := Split("Am 3. Mai. Danach.", "de"); len(got) != 3 {
		t.Errorf("ordinal: %v", got)
	}
}

func TestSplitLongFits(t *testing.T) {
	t.Parallel()
	short := func(s string) bool { return len(s) <= 20 }
	for _, text := range []string{"one two, three four five six seven; eight", strings.Repeat("x", 90), strings.Repeat("日本", 30), "a  b\tc " + strings.Repeat("d ", 40) + "e"} {
		segments := SplitLong(text, short)
		if Join(segments) != text {
			t.Errorf("%q lost something: %v", text, segments)
		}
		for _, s := range segments {
			if s.Sentence && !short(s.Text) {
				t.Errorf("%q is too long", s.Text)
			}
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
		if got := Join(segments); got != text {
			t.Fatalf("%q became %q", text, got)
		}
		for _, s := range segments {
			if !s.Sentence {
				continue
			}
			long := SplitLong(s.Text, func(s string) bool { return len(s) < 8 })
			if got := Join(long); got != s.Text {
				t.Fatalf("%q became %q", s.Text, got)
			}
		}
	})
}
