package translate

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/internal/testkit"
)

// glossed is a text in English with terms of all kinds, of which each stands in it so often.
var (
	glossed = spanish("The house is small. The garden is large and green. Tom reads a book in the house. We have a {name} in the kitchen!\n\nThe train leaves at noon. Books are good. A giraffe has a long neck.")
	often   = map[string]int{"vivienda": 2, "huerto": 1, "libraco \U0001F389": 1, "COCINA <&> {x}": 1, "mediod\u00eda": 1, "tren": 1}
)

func init() {
	glossed.Terms = []jobspec.Term{
		{Term: "house", Translation: "vivienda"}, {Term: "garden", Translation: "huerto"}, {Term: "book", Translation: "libraco \U0001F389"},
		{Term: "kitchen", Translation: "COCINA <&> {x}"}, {Term: "noon", Translation: "mediod\u00eda"}, {Term: "train", Translation: "tren"},
	}
}

// checkTermsOf asserts that a text has the user's translations as often as the source.
func checkTermsOf(t testing.TB, text string) {
	t.Helper()
	for term, n := range often {
		assert.Equal(t, n, strings.Count(strings.ToLower(text), strings.ToLower(term)), "%q in %q", term, text)
	}
}

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
		{"en", "es", jobspec.FormatHTML, `<p title="house">The <b>house</b> is small. My house.</p><code>house</code>`, []string{`<p title="house">`, "Vivienda &lt;&amp;&gt; {x}", "Vivienda &lt;&amp;&gt; {x}", "<code>house</code>"}, terms},
		{"es", "fr", "", "La casa es grande. No importa la casa.", []string{"LOGIS A", "LOGIS A"}, []jobspec.Term{{Term: "casa", Translation: "LOGIS A"}}},
		{"en", "es", "", "The book is \u65e5\u672c. A \u65e5\u672c is good.", []string{"Jap\u00f3n", "Jap\u00f3n"}, []jobspec.Term{{Term: "\u65e5\u672c", Translation: "Jap\u00f3n"}}},
		{"en", "es", "", "A house is not a home, and a home is a house.", []string{"vivienda", "vivienda", "vivienda", "vivienda"}, []jobspec.Term{{Term: "house", Translation: "vivienda"}, {Term: "home", Translation: "vivienda"}}},
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

// The first way that gives each term as often as it stands in a sentence is taken, and a
// sentence without terms is that of a job without a glossary.
func TestEachSentenceTakesTheFirstWayThatKeepsItsTerms(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	ways := map[string]int{}
	without := map[int]Sentence{}
	bare := glossed
	bare.Terms = nil
	translated(t, tr, bare, Keeping(nil, func(all []Sentence) {
		last := all[len(all)-1]
		without[last.Index] = last
	}))
	got := translated(t, tr, glossed, Keeping(nil, func(all []Sentence) {
		last := all[len(all)-1]
		ways[last.Way]++
		if last.Index > 4 {
			assert.Equal(t, without[last.Index], last)
		}
	}))
	checkTermsOf(t, got.Text)
	assert.NotZero(t, ways[string(replaced)], "%v", ways)
	assert.NotZero(t, ways[string(carriedOver)], "%v", ways)
	require.NotEmpty(t, got.Alternatives)
	for _, a := range got.Alternatives {
		checkTermsOf(t, a.Text)
	}
	t.Log(ways, got.Text)
}

// Cut off behind any sentence, alone or in company, a text with terms becomes the same.
func TestTermsComeOutTheSameBehindWhatWasRecorded(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{BatchRows: 2})
	var kept [][]byte
	want := translated(t, tr, glossed, Alone(), Keeping(nil, func(all []Sentence) {
		data, err := json.Marshal(all)
		assert.NoError(t, err)
		kept = append(kept, data)
	}))
	require.Greater(t, len(kept), 6)
	var wait sync.WaitGroup
	for _, data := range kept {
		var recorded []Sentence
		require.NoError(t, json.Unmarshal(data, &recorded))
		wait.Go(func() {
			got, err := tr.Translate(t.Context(), glossed, nil, Keeping(recorded, func([]Sentence) {}))
			assert.NoError(t, err)
			assert.Equal(t, want, got, "behind %s", data)
		})
	}
	wait.Wait()
	// What an attempt kept before there were other ways than to carry terms is used.
	old := []Sentence{{Index: 0, Text: "De antes."}}
	got := translated(t, tr, glossed, Keeping(old, func([]Sentence) {}))
	checkTermsOf(t, got.Text)
	assert.Contains(t, got.Text, "antes. El")
}

func TestProgressWithTermsOnlyGrows(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{BatchRows: 2})
	share, partial := 0.0, ""
	got, err := tr.Translate(t.Context(), glossed, func(s float64, text string) {
		assert.True(t, s >= share && s <= 1 && strings.HasPrefix(text, partial), "%v %q after %v %q", s, text, share, partial)
		share, partial = s, text
	})
	require.NoError(t, err)
	assert.InDelta(t, 1, share, 0)
	assert.Equal(t, got.Text, partial)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = tr.Translate(ctx, glossed, func(float64, string) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
}

// However a model writes, what stands for terms is there as often as in the sentence, or
// nothing is.
func TestWaysKeepTheirPromise(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	hops, err := tr.route("en", "es")
	require.NoError(t, err)
	job := spanish("House and garden are in the house.")
	job.Terms = []jobspec.Term{{Term: "house", Translation: "vivienda"}, {Term: "garden", Translation: "Huerto"}}
	s := read(job, "en")
	p := &passage{hop: hops[0], terms: s.hideTerms(job)}
	sentences, err := p.prepare(t.Context(), s.segments)
	require.NoError(t, err)
	require.Len(t, sentences, 1)
	require.Len(t, sentences[0].readings, 3, "three passes at most")
	p.lone = map[*hiddenTerm]string{}
	for h := range sentences[0].terms {
		p.lone[h] = map[string]string{"house": "casa", "garden": "jard\u00edn"}[h.Term.Term]
	}
	for _, test := range []struct {
		reading    int
		text, want string
	}{
		{0, "Casa y jard\u00edn en la casa.", "Vivienda y Huerto en la vivienda."},
		{0, "Jard\u00edn y la casa en casa.", "Huerto y la vivienda en vivienda."},
		{0, "Casa y jard\u00edn.", ""},
		{0, "Casa, casa, casa y jard\u00edn.", ""},
		{0, "Casa y jard\u00edn en la casa, vivienda.", ""},
		{0, "Casas y jard\u00edn en la casa, casero.", ""},
		{0, "", ""},
		{1, "Vivienda y huerto en la vivienda.", "Vivienda y Huerto en la vivienda."},
		{1, "Vivienda y huertos en la vivienda.", ""},
		{1, "Vivienda y vivienda, vivienda y huerto.", ""},
	} {
		placed := p.place(sentences[0], sentences[0].readings[test.reading], test.text)
		assert.Equal(t, test.want, s.show(placed), "%q", test.text)
	}
}

// Each occurrence of a term becomes its translation, whatever the model makes of the rest.
func FuzzTermsAreNotLost(f *testing.F) {
	f.Add("The house is {a}. <b>House</b>, houses \u65e5\u672c house!", "house")
	f.Fuzz(func(t *testing.T, text, term string) {
		text = strings.ToValidUTF8(text, "?")
		const wanted = "\u2603term\u2603"
		job := jobspec.Translate{Text: text, Source: "fr", Terms: []jobspec.Term{{Term: term, Translation: wanted}}}
		for _, translation := range []func(string) string{same, func(string) string { return "" }, func(string) string { return "Uno dos, tres." }} {
			s := read(job, "fr")
			want := 0
			for _, segment := range s.segments {
				if segment.Sentence {
					want += len(glossary.New("fr", job.Terms).Find(segment.Text))
				}
			}
			s.hideTerms(job)
			require.Equal(t, want, strings.Count(echo(s, translation), wanted)-strings.Count(text, wanted))
		}
	})
}
