package translate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
)

func TestTermsComeOutAsTheUserWantsThem(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	terms := []jobspec.Term{{Term: "house", Translation: "Vivienda <&> {x}"}, {Term: "garden", Translation: "huerto"}}
	for _, test := range []struct {
		source, target string
		format         jobspec.Format
		text           string
		want           []string
		terms          []jobspec.Term
	}{
		{"en", "es", "", "The house is small. Gardens and a garden. See https://x.org/house or {house}.", []string{"Vivienda <&> {x}", "huerto", "https://x.org/house", "{house}"}, terms},
		{"en", "es", jobspec.FormatHTML, `<p title="house">The <b>house</b> is small.</p><code>house</code>`, []string{`<p title="house">`, "Vivienda &lt;&amp;&gt; {x}", "<code>house</code>"}, terms},
		{"es", "fr", "", "La casa es grande. No importa la casa.", []string{"LOGIS A", "LOGIS A"}, []jobspec.Term{{Term: "casa", Translation: "LOGIS A"}}},
	} {
		got, err := tr.Translate(t.Context(), jobspec.Translate{Text: test.text, Source: test.source, Target: test.target, Format: test.format, Terms: test.terms}, nil)
		require.NoError(t, err)
		for _, w := range test.want {
			n := strings.Count(strings.Join(test.want, "\n"), w)
			assert.Equal(t, n, strings.Count(got.Text, w), "%q in %q", w, got.Text)
		}
		t.Log(got.Text)
	}
	_, err := tr.Translate(t.Context(), jobspec.Translate{Text: "a", Source: "en", Target: "es", Terms: make([]jobspec.Term, 201)}, nil)
	require.Error(t, err)
}

// Each occurrence of a term becomes its translation, whatever the model makes of the rest.
func FuzzTermsAreNotLost(f *testing.F) {
	f.Add("The house is {a}. <b>House</b>, houses \u65e5\u672c house!", "house")
	f.Fuzz(func(t *testing.T, text, term string) {
		text = strings.ToValidUTF8(text, "?")
		job := jobspec.Translate{Text: text, Terms: []jobspec.Term{{Term: term, Translation: "\u2603term\u2603"}}}
		for _, translation := range []func(string) string{same, func(string) string { return "" }, func(string) string { return "Uno dos, tres." }} {
			s := read(job, "en")
			s.hideTerms(job.Terms)
			want := 0
			for _, v := range s.objects {
				if v == "\u2603term\u2603" || v == "\u2603Term\u2603" {
					want++
				}
			}
			require.Equal(t, want, strings.Count(strings.ToLower(echo(s, translation)), "\u2603term\u2603")-strings.Count(strings.ToLower(text), "\u2603term\u2603"))
		}
	})
}
