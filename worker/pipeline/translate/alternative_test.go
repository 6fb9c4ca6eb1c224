package translate

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/document"
)

const twoSentences = "The house is small. The garden behind it is large and green."

func spanish(text string) jobspec.Translate {
	return jobspec.Translate{Text: text, Source: "en", Target: "es"}
}

func translated(t testing.TB, tr *Translator, job jobspec.Translate, o ...CallOption) jobspec.Translated {
	t.Helper()
	got, err := tr.Translate(t.Context(), job, nil, o...)
	require.NoError(t, err)
	checkAlternatives(t, got)
	return got
}

// checkAlternatives asserts what holds for all: their number, order, scores and that each is
// another text.
func checkAlternatives(t testing.TB, got jobspec.Translated) {
	t.Helper()
	assert.LessOrEqual(t, len(got.Alternatives), jobspec.MaxAlternatives)
	texts, last := []string{got.Text}, 0.0
	for _, a := range got.Alternatives {
		assert.NotContains(t, texts, a.Text)
		assert.LessOrEqual(t, a.Score, last)
		assert.Greater(t, a.Score, -100.0)
		texts, last = append(texts, a.Text), a.Score
	}
}

// beams gives what the model's search finds for a sentence: the texts with their scores.
func beams(t *testing.T, tr *Translator, text string) (texts []string, scores []float64) {
	t.Helper()
	hops, err := tr.route("en", "es")
	require.NoError(t, err)
	p := passage{hop: hops[0]}
	settings := hops[0].settings
	settings.NumReturnSequences = settings.NumBeams
	model, release, err := tr.kept.Use(t.Context())
	require.NoError(t, err)
	defer release()
	require.NoError(t, model.Generate(t.Context(), []*pipeline.Request{{Input: p.encode(text), Settings: settings, Done: func(outputs []pipeline.Output) {
		for _, o := range outputs {
			texts, scores = append(texts, tr.tokenizer.Decode(o.Tokens)), append(scores, float64(o.Score))
		}
	}}}, false))
	return texts, scores
}

func TestTheAlternativesOfASentenceAreItsBeams(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	for _, text := range english(t, 6) {
		if rest, _ := tr.carrier.prepare(text); rest != text || len(document.Split(text, "en")) > 1 {
			continue
		}
		texts, scores := beams(t, tr, text)
		require.Len(t, texts, 4)
		got := translated(t, tr, spanish(text))
		assert.Equal(t, texts[0], got.Text)
		var want []string
		for i := 1; i < len(texts); i++ {
			if slices.Contains(texts[:i], texts[i]) {
				continue
			}
			assert.InDelta(t, scores[i]-scores[0], got.Alternatives[len(want)].Score, 1e-6)
			want = append(want, texts[i])
		}
		var others []string
		for _, a := range got.Alternatives {
			others = append(others, a.Text)
		}
		assert.Equal(t, want, others)
		assert.NotEmpty(t, others, text)
		t.Logf("%q: %q, %+v", text, got.Text, got.Alternatives)
	}
}

// Of several sentences the cheapest changes come first: the scores are those of all
// combinations, put in order.
func TestTheAlternativesOfATextAreTheBestCombinations(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	got := translated(t, tr, spanish(twoSentences))
	first, scores := beams(t, tr, "The house is small.")
	second, scores2 := beams(t, tr, "The garden behind it is large and green.")
	require.Equal(t, first[0]+" "+second[0], got.Text)
	best := map[string]float64{}
	for i := range first {
		for j := range second {
			text := first[i] + " " + second[j]
			if score := scores[i] - scores[0] + scores2[j] - scores2[0]; text != got.Text && (best[text] == 0 || score > best[text]) {
				best[text] = score
			}
		}
	}
	var sums []float64
	for _, s := range best {
		sums = append(sums, s)
	}
	slices.SortFunc(sums, func(a, b float64) int { return -int(math.Copysign(1, a-b)) })
	require.Len(t, got.Alternatives, min(len(sums), jobspec.MaxAlternatives))
	for i, a := range got.Alternatives {
		require.Contains(t, best, a.Text)
		assert.InDelta(t, best[a.Text], a.Score, 1e-6)
		assert.InDelta(t, sums[i], a.Score, 1e-6, "the %d. best", i+1)
	}
	t.Logf("%q: %+v", got.Text, got.Alternatives)
}

func TestWhatSurvivesATranslationSurvivesInItsAlternatives(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	page := spanish(`<h1>The house</h1><p>The house is <a href="/?a=1&amp;b">small</a>, {name}. We &lt;3 it.</p><pre>The house</pre>`)
	page.Format = jobspec.FormatHTML
	got := translated(t, tr, page)
	require.Len(t, got.Alternatives, jobspec.MaxAlternatives)
	for _, a := range got.Alternatives {
		assert.Equal(t, markup(page.Text), markup(a.Text), a.Text)
		assert.Contains(t, a.Text, "{name}")
		assert.Contains(t, a.Text, "<pre>The house</pre>")
	}
	plain := translated(t, tr, spanish("# The house\r\n\r\n- The house of {name} is small. \U0001F389\n  - See https://example.org/a?b=c.\n"))
	require.NotEmpty(t, plain.Alternatives)
	for _, a := range plain.Alternatives {
		assert.Regexp(t, "(?s)^# [^\n]+\r\n\r\n- .*\\{name\\}.* \U0001F389\n  - .*https://example.org/a\\?b=c\\.?\n$", a.Text)
	}
}

func TestAPivotGivesTheAlternativesOfItsSecondHalf(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	through := translated(t, tr, jobspec.Translate{Text: "Este libro es bueno.", Source: "es", Target: "de"})
	english := translate(t, tr, "es", "en", "Este libro es bueno.")
	direct := translated(t, tr, jobspec.Translate{Text: english, Source: "en", Target: "de"})
	assert.NotEmpty(t, through.Alternatives)
	assert.Equal(t, direct, through)
}

func TestWhereThereAreNoAlternatives(t *testing.T) {
	dir := testkit.Model(t, "translate-mini")
	tr := start(t, dir, Options{})
	sentence := "The house is small. "
	long := strings.Repeat(sentence, maxVariedText/len(sentence))
	assert.Len(t, translated(t, tr, spanish(long)).Alternatives, jobspec.MaxAlternatives, "%d bytes", len(long))
	long += strings.Repeat(" ", maxVariedText-len(long))
	assert.NotEmpty(t, translated(t, tr, spanish(long)).Alternatives, "4 KiB to the byte")
	assert.Empty(t, translated(t, tr, spanish(long+" ")).Alternatives, "a byte more")
	for _, same := range []string{"", "\n\n", "1234", "👍", "日本語"} {
		assert.Empty(t, translated(t, tr, spanish(same)).Alternatives, same)
	}

	greedy := portion(t, "greedy", bundle.Direction{Source: "en", Target: "es", Prefix: ">>spa<<"})
	settings, err := os.ReadFile(filepath.Join(dir, "generation_config.json"))
	require.NoError(t, err)
	alone := strings.Replace(string(settings), `"num_beams": 4`, `"num_beams": 1`, 1)
	require.NotEqual(t, string(settings), alone)
	require.NoError(t, os.Remove(filepath.Join(greedy, "generation_config.json")))
	require.NoError(t, os.WriteFile(filepath.Join(greedy, "generation_config.json"), []byte(alone), 0o600))
	got := translated(t, start(t, greedy, Options{}), spanish(twoSentences))
	assert.NotEmpty(t, got.Text)
	assert.Empty(t, got.Alternatives, "without beams")
}

// Alone or in company, each text has the same alternatives.
func TestAlternativesDoNotDependOnCompany(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	texts := append(english(t, 8), twoSentences)
	want := map[string]jobspec.Translated{}
	for _, text := range texts {
		want[text] = translated(t, tr, spanish(text), Alone())
	}
	var wait sync.WaitGroup
	for range 2 {
		for _, text := range texts {
			wait.Go(func() {
				got, err := tr.Translate(t.Context(), spanish(text), nil)
				assert.NoError(t, err)
				assert.Equal(t, want[text], got)
			})
		}
	}
	wait.Wait()
}

// Cut off anywhere, a call that goes on ends with the same bytes.
func TestAlternativesGoOnBehindWhatWasRecorded(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{BatchRows: 1})
	for _, job := range []jobspec.Translate{
		spanish(twoSentences + " {name} is here, and the train leaves at noon."),
		{Text: "Este libro es bueno. No importa.", Source: "es", Target: "de"},
	} {
		var kept [][]byte
		want := translated(t, tr, job, Keeping(nil, func(all []Sentence) {
			data, err := json.Marshal(all)
			assert.NoError(t, err)
			kept = append(kept, data)
		}))
		require.NotEmpty(t, want.Alternatives)
		require.Greater(t, len(kept), 2)
		for _, data := range kept {
			var recorded []Sentence
			require.NoError(t, json.Unmarshal(data, &recorded))
			assert.Equal(t, want, translated(t, tr, job, Keeping(recorded, func([]Sentence) {})), "behind %s", data)
		}
	}
	// What an attempt before there were alternatives kept is used as it is.
	var old []Sentence
	require.NoError(t, json.Unmarshal([]byte(`[{"hop":0,"index":0,"text":"De antes."}]`), &old))
	got := translated(t, tr, spanish(twoSentences), Keeping(old, func([]Sentence) {}))
	assert.True(t, strings.HasPrefix(got.Text, "De antes. "), got.Text)
	require.NotEmpty(t, got.Alternatives)
	for _, a := range got.Alternatives {
		assert.True(t, strings.HasPrefix(a.Text, "De antes. "), a.Text)
	}
}

// The choices come in the order of their costs, each once, as all of them sorted.
func TestWaysComeCheapestFirst(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // makes cases
	for range 300 {
		all := make([]varied, r.IntN(5))
		sums := []float64{0}
		for i := range all {
			all[i] = varied{segment: i, costs: []float64{0}}
			for range 1 + r.IntN(4) {
				all[i].costs = append(all[i].costs, all[i].costs[len(all[i].costs)-1]+float64(r.IntN(3)))
			}
			var more []float64
			for _, s := range sums {
				for _, c := range all[i].costs {
					more = append(more, s+c)
				}
			}
			sums = more
		}
		slices.Sort(sums)
		w := newWays(all)
		seen := map[string]bool{}
		for _, want := range sums[1:] {
			changes, cost, ok := w.next()
			require.True(t, ok)
			require.InDelta(t, want, cost, 0)
			require.False(t, seen[fmt.Sprint(changes)])
			seen[fmt.Sprint(changes)] = true
		}
		_, _, ok := w.next()
		require.False(t, ok)
	}
}

// However large they are, the result stays within what a message holds: the last ones go.
func TestAlternativesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	made := func(option, sentences int, translation string) []jobspec.Alternative {
		var p passage
		for i := range sentences {
			p.segments = append(p.segments, document.Segment{Text: "a", Sentence: true})
			v := varied{segment: i, texts: []string{"a"}, costs: []float64{0}}
			for k := range 12 {
				v.texts = append(v.texts, strings.Repeat("<", option)+fmt.Sprint(i, k))
				v.costs = append(v.costs, float64(k+1))
			}
			p.varied = append(p.varied, v)
		}
		return p.alternatives(translation, document.Join)
	}
	assert.Len(t, made(10, 2, "aa"), jobspec.MaxAlternatives)
	assert.Len(t, made(3<<10, 1, "a"), 3, "six bytes for each of these characters")
	assert.Empty(t, made(maxAlternatives, 1, "a"))
	assert.Empty(t, made(10, 1, strings.Repeat("a", maxResult)))
}

func BenchmarkTranslateWithAlternatives(b *testing.B) {
	tr := start(b, testkit.Model(b, "translate-mini"), Options{})
	short := strings.Repeat(twoSentences+" ", 60)
	for name, text := range map[string]string{"with": short, "without": short + strings.Repeat(" ", maxVariedText)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := tr.Translate(b.Context(), spanish(text), nil)
				require.NoError(b, err)
			}
		})
	}
}
