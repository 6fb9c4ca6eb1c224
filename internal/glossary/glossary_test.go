package glossary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
)

func terms(pairs ...string) (all []jobspec.Term) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, jobspec.Term{Term: pairs[i], Translation: pairs[i+1]})
	}
	return all
}

// put gives a text with the translations of its terms.
func put(m *Matcher, text string) string {
	var out strings.Builder
	at := 0
	for _, f := range m.Find(text) {
		out.WriteString(text[at:f.Start] + "[" + f.Put(text) + "]")
		at = f.End
	}
	return out.String() + text[at:]
}

func TestTermsAreFoundAsWholeWords(t *testing.T) {
	t.Parallel()
	m := New("en", terms("house", "casa", "white house", "Casa Blanca", "iPad", "tableta", "caf\u00e9", "bar", "a.*b", "x", "R&D", "I+D", "l'eau", "water", "\u732b", "cat", "\u30c6\u30b9\u30c8", "test"))
	for text, want := range map[string]string{
		"A house, houses, houseboat; HOUSE.":     "A [casa], houses, houseboat; [Casa].",
		"House prices":                           "[Casa] prices",
		"The White  House here":                  "The [Casa Blanca] here",
		"the white\nhouse":                       "the white\n[casa]",
		"an ipad, an iPad, an IPAD":              "an ipad, an [tableta], an IPAD",
		"a cafe\u0301, CAF\u00c9, cafe":          "a [bar], [Bar], cafe",
		"a.*b aab":                               "[x] aab",
		"R&D":                                    "[I+D]",
		"l\u2019eau":                             "[water]",
		"\u9ed2\u732b\u3068\u767d\u732b":         "\u9ed2[cat]\u3068\u767d[cat]",
		"\u30c6\u30b9\u30c8\u30b1\u30fc\u30b9":   "[test]\u30b1\u30fc\u30b9",
		"":                                       "",
		"well-house house_x house\u0301 \xff no": "well-[casa] house_x house\u0301 \xff no",
	} {
		require.Equal(t, want, put(m, text), "%q", text)
	}
}

func TestElidedArticlesAreNotPartOfAWord(t *testing.T) {
	t.Parallel()
	all := terms("eau", "water", "l'air", "air", "acqua", "agua", "clock", "x", "l", "y")
	for _, test := range []struct{ language, text, want string }{
		{"fr", "L'eau, d\u2019EAU et qu'eau; jusqu'eau.", "L'[water], d\u2019[Water] et qu'[water]; jusqu'[water]."},
		{"fr-CA", "l'eau", "l'[water]"},
		{"fr", "dans l'air", "dans [air]"},
		{"fr", "aujourd'eau l'eaux eau's", "aujourd'eau l'eaux eau's"},
		{"fr", "l'eau", "l'[water]"},
		{"it", "Dell'acqua e sull\u2019acqua: un'acqua", "Dell'[agua] e sull\u2019[agua]: un'[agua]"},
		{"ca", "d'acqua", "d'[agua]"},
		{"en", "o'clock l'eau", "o'clock l'eau"},
	} {
		require.Equal(t, test.want, put(New(test.language, all), test.text), "%q", test.text)
	}
}

func TestOccurringTellsAlsoOfTermsWithinLongerOnes(t *testing.T) {
	t.Parallel()
	all := terms("house", "a", "white house", "b", "garden", "c")
	require.Equal(t, all[:2], New("en", all).Occurring("The white house."))
	require.Empty(t, New("en", all).Occurring("Nothing."))
	require.Empty(t, New("en", nil).Find("house"))
}

func TestKeysOfTheSameTermAreEqual(t *testing.T) {
	t.Parallel()
	require.Equal(t, Key("STRASSE"), Key("stra\u00dfe"))
	require.Equal(t, Key("Caf\u00e9  x"), Key("cafe\u0301 X"))
	require.NotEqual(t, Key("cafe"), Key("caf\u00e9"))
}

func FuzzFind(f *testing.F) {
	f.Add("a house", "house")
	f.Add("l'eau dell'eau", "eau")
	f.Add("\u0130 \u00df\xff", "ss")
	f.Fuzz(func(t *testing.T, text, term string) {
		for _, language := range []string{"en", "fr"} {
			end := 0
			for _, m := range New(language, terms(term, "x")).Find(text) {
				require.True(t, m.Start >= end && m.End > m.Start && m.End <= len(text))
				end = m.End
				m.Put(text)
			}
		}
	})
}

func BenchmarkFindInALongText(b *testing.B) {
	var all []jobspec.Term
	for i := range 200 {
		all = append(all, jobspec.Term{Term: strings.Repeat("a ", 49-i%40) + strings.Repeat("b", 1+i/40)})
	}
	m, text := New("en", all), strings.Repeat("a ", 32<<10)
	for b.Loop() {
		m.Find(text)
	}
}
