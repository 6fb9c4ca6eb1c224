package translate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/worker/pipeline/document"
)

// What is taken out of any sentence comes back.
func FuzzNothingIsLost(f *testing.F) {
	for _, s := range []string{"a. B\r\n\n - c", "1. x\n\t> y 👍🏽!", "\u00a0x\u2003", "```\na", "Привет мир. Hi 日本, a@b.c", "  \r \n", "\x00. A"} {
		f.Add(s)
	}
	c := &carrier{knows: func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x250 && r != '\u2014' })
	}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range document.Split(strings.ToValidUTF8(text, "?"), "en") {
			if !s.Sentence {
				continue
			}
			rest, out := c.prepare(s.Text)
			whole := restore(rest, rest, out)
			for _, o := range out {
				require.Contains(t, whole, o.text, "%q lost %q: %q", s.Text, o.text, whole)
			}
		}
	})
}
