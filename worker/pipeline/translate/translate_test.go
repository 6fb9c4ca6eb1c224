package translate

import (
	"context"
	"encoding/json"
	"errors"
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

// start opens a bundle and runs its translator for the test.
func start(t testing.TB, dir string, o Options) *Translator {
	t.Helper()
	startRuntime(t)
	tr, err := Open(t.Context(), opened(t, dir), o)
	require.NoError(t, err)
	run(t, tr)
	return tr
}

// run runs a translator until the test ends.
func run(t testing.TB, tr *Translator) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, tr.Close())
	})
}

func translate(t testing.TB, tr *Translator, source, target, text string, o ...CallOption) string {
	t.Helper()
	got, err := tr.Translate(t.Context(), jobspec.Translate{Text: text, Source: source, Target: target}, nil, o...)
	assert.NoError(t, err)
	return got.Text
}

// english gives n different sentences of the reference.
func english(t testing.TB, n int) []string {
	t.Helper()
	ref, err := pipeline.ReadReference(testkit.Model(t, "translate-mini"))
	require.NoError(t, err)
	var texts []string
	for _, c := range ref.Cases {
		if text, ok := strings.CutPrefix(c.Input, ">>spa<< "); ok && !slices.Contains(texts, text) && len(texts) < n {
			texts = append(texts, text)
		}
	}
	return texts
}

// The whole way gives what the reference gives: prefix, batch, four beams.
func TestTranslateEqualsTheReference(t *testing.T) {
	dir := testkit.Model(t, "translate-mini")
	tr := start(t, dir, Options{})
	ref, err := pipeline.ReadReference(dir)
	require.NoError(t, err)
	var wait sync.WaitGroup
	tried := 0
	for _, c := range ref.Cases {
		text, ok := strings.CutPrefix(c.Input, ">>spa<< ")
		if rest, _ := tr.carrier.prepare(text); !ok || !strings.Contains(string(c.Settings), `"num_beams": 4`) || rest != text || len(document.Split(text, "en")) > 1 {
			continue
		}
		tried++
		wait.Go(func() {
			assert.Equal(t, c.Text, translate(t, tr, "en", "es", text), "%q", text)
		})
	}
	wait.Wait()
	assert.GreaterOrEqual(t, tried, 10, "only %d cases fit", tried)
}

func TestLayoutStays(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	s := english(t, 8)
	text := "# " + s[0] + "\r\n\r\n" + s[1] + "  " + s[2] + "\n\n\n- " + s[3] + "\n  * " + s[4] + "\t\n10. " + s[5] + "\n> - [x] " + s[6] + "\n---\n```\nfor i := range 3 {}\n```\n\t" + s[7] + "\n 12:30 \n"
	got := translate(t, tr, "en", "es", text)
	want := "# " + translate(t, tr, "en", "es", s[0]) + "\r\n\r\n" + translate(t, tr, "en", "es", s[1]) + "  " + translate(t, tr, "en", "es", s[2]) +
		"\n\n\n- " + translate(t, tr, "en", "es", s[3]) + "\n  * " + translate(t, tr, "en", "es", s[4]) + "\t\n10. " + translate(t, tr, "en", "es", s[5]) +
		"\n> - [x] " + translate(t, tr, "en", "es", s[6]) + "\n---\n```\nfor i := range 3 {}\n```\n\t" + translate(t, tr, "en", "es", s[7]) + "\n 12:30 \n"
	assert.Equal(t, want, got)
	for _, same := range []string{"", "\n\n", "  \t", "1234", "- \n* \n", "👍", "日本語\nПривет", "https://example.org/a?b=c"} {
		assert.Equal(t, same, translate(t, tr, "en", "es", same))
	}
}

func TestWhatTheVocabularyLacksIsCarriedOver(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	s := strings.TrimRight(english(t, 1)[0], ".")
	alone := translate(t, tr, "en", "es", s+".")
	for text, check := range map[string]func(string) bool{
		s + ". 🎉":       func(got string) bool { return got == alone+" 🎉" },
		"👋🏽 " + s + ".": func(got string) bool { return got == "👋🏽 "+alone },
		s + " 👨‍👩‍👧.":   func(got string) bool { return got == strings.TrimRight(alone, ".")+" 👨‍👩‍👧." },
		"Write to a.b@example.org or see https://example.org/x?y=1&z=2.": func(got string) bool {
			return strings.Contains(got, "a.b@example.org") && strings.Contains(got, "https://example.org/x?y=1&z=2")
		},
		"The word Привет means hello.": func(got string) bool { return strings.Contains(got, " Привет ") },
		"I love 日本 and 中国 a lot.":      func(got string) bool { return strings.Index(got, "日本") < strings.Index(got, "中国") },
		"\u201cI\u2019m here\u201d \u2014 he said\u2026": func(got string) bool {
			return got == translate(t, tr, "en", "es", `"I'm here" - he said...`)
		},
	} {
		got := translate(t, tr, "en", "es", text)
		assert.True(t, check(got), "%q became %q", text, got)
	}
}

// Texts far beyond the model's positions are cut, at any cost.
func TestLongSentencesAreNoError(t *testing.T) {
	tr := start(t, testkit.Shared(t, "models", "random", "marian-random"), Options{})
	source, target := tr.Bundle().Directions[0].Source, tr.Bundle().Directions[0].Target
	for _, text := range []string{strings.Repeat("word ", 500), strings.Repeat("x", 700), strings.Repeat("a, b; ", 200), strings.Repeat("é", 500)} {
		assert.NotEmpty(t, translate(t, tr, source, target, text), "%.20q became nothing", text)
	}
}

func TestProgressOnlyGrows(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{BatchRows: 3})
	text := strings.Join(english(t, 12), "\n\n")
	for _, target := range []string{"es", "fr"} {
		source := "en"
		if target == "fr" {
			source = "es"
		}
		var progress float64
		partial, words := "", 0
		got, err := tr.Translate(t.Context(), jobspec.Translate{Text: text, Source: source, Target: target}, func(p float64, s string) {
			assert.True(t, p >= progress && p <= 1 && strings.HasPrefix(s, partial), "%v %q after %v %q", p, s, progress, partial)
			progress, partial = p, s
			words++
		})
		assert.NoError(t, err, "to %s, %d words up to %v, %q of %q", target, words, progress, partial, got.Text)
		assert.True(t, progress == 1 && partial == got.Text && words >= 12 && got.Model == "translate-mini",
			"to %s, %d words up to %v, %q of %q", target, words, progress, partial, got.Text)
	}
}

// A caller that gives up, with more work queued than fits in a batch, does not
// hold up or change the others.
func TestCancelStopsOneCallAlone(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{BatchRows: 4})
	s := english(t, 12)
	want := translate(t, tr, "en", "es", s[0]+" "+s[1])
	ctx, cancel := context.WithCancel(t.Context())
	neighbour := make(chan string, 1)
	var once sync.Once
	_, err := tr.Translate(ctx, jobspec.Translate{Text: strings.Repeat(strings.Join(s, "\n")+"\n", 40), Source: "en", Target: "es"}, func(float64, string) {
		once.Do(func() {
			go func() { neighbour <- translate(t, tr, "en", "es", s[0]+" "+s[1]) }()
			cancel()
		})
	})
	assert.ErrorIs(t, err, context.Canceled)
	_, ok := pipeline.FailureOf(err)
	assert.False(t, ok, "a cancelled call counts as failed")
	assert.Equal(t, want, <-neighbour, "neighbour")
}

func TestAloneGivesTheSame(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	text := strings.Join(english(t, 6), "\n")
	want := translate(t, tr, "en", "es", text)
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			var o []CallOption
			if i%2 == 0 {
				o = append(o, Alone())
			}
			assert.Equal(t, want, translate(t, tr, "en", "es", text, o...))
		})
	}
	wait.Wait()
}

func TestTranslateRefusesWithACode(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	for _, test := range []struct {
		job  jobspec.Translate
		want jobspec.Code
	}{
		{jobspec.Translate{Text: strings.Repeat("a", maxText+1), Source: "en", Target: "es"}, jobspec.CodeInvalidInput},
		{jobspec.Translate{Text: "\xff", Source: "en", Target: "es"}, jobspec.CodeInvalidInput},
		{jobspec.Translate{Text: "a", Source: "en", Target: "ja"}, jobspec.CodeUnsupportedLanguage},
		{jobspec.Translate{Text: "a", Source: "en", Target: "en"}, jobspec.CodeUnsupportedLanguage},
		{jobspec.Translate{Text: "a", Source: "", Target: "not a tag"}, jobspec.CodeUnsupportedLanguage},
	} {
		_, err := tr.Translate(t.Context(), test.job, nil)
		f, ok := pipeline.FailureOf(err)
		assert.True(t, ok && f.Code == test.want && f.Message != "",
			"%.20q %s-%s: got %+v of %v, want %s", test.job.Text, test.job.Source, test.job.Target, f, err, test.want)
	}
	assert.NotEmpty(t, translate(t, tr, "en-GB", "es-MX", english(t, 1)[0]), "a more precise tag is not served")
}

// portion copies the bundle with some of its directions, the big files linked.
func portion(t testing.TB, name string, directions ...bundle.Direction) string {
	t.Helper()
	from, err := filepath.Abs(testkit.Model(t, "translate-mini"))
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.Mkdir(dir, 0o750))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "onnx"), 0o750))
	for _, file := range []string{
		"config.json", "generation_config.json", "tokenizer_config.json", "source.spm", "target.spm", "vocab.json",
		"onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx",
	} {
		require.NoError(t, os.Symlink(filepath.Join(from, file), filepath.Join(dir, file)))
	}
	card, err := json.Marshal(bundle.Card{Directions: directions})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parley.json"), card, 0o600))
	return dir
}

// A text goes from one bundle to the other where each knows half of the way.
func TestPivotAcrossBundles(t *testing.T) {
	startRuntime(t)
	whole := start(t, testkit.Model(t, "translate-mini"), Options{})
	gate := pipeline.NewGate(1)
	var both []*Translator
	for _, dir := range []string{
		portion(t, "opus-mt-es-en", bundle.Direction{Source: "es", Target: "en", Prefix: ">>eng<<"}),
		portion(t, "opus-mt-en-de", bundle.Direction{Source: "en", Target: "de", Prefix: ">>deu<<"}),
	} {
		tr, err := Open(t.Context(), opened(t, dir), Options{Options: pipeline.Options{Gate: gate}})
		require.NoError(t, err)
		both = append(both, tr)
	}
	Link(both...)
	run(t, both[0])
	run(t, both[1])
	want := []jobspec.Direction{{Source: "es", Target: "de", Pivot: true}, {Source: "es", Target: "en"}}
	assert.Equal(t, want, both[0].Bundle().Directions, "directions")
	text := "Este libro es bueno.\n\nNo importa."
	got, err := both[0].Translate(t.Context(), jobspec.Translate{Text: text, Source: "es", Target: "de"}, nil)
	assert.NoError(t, err)
	assert.Equal(t, "opus-mt-es-en+opus-mt-en-de", got.Model, "got %+v", got)
	assert.Equal(t, translate(t, whole, "es", "de", text), got.Text, "got %+v", got)
}

// With room for one model only, each half of the way takes the other's place in memory,
// also when many texts go both ways at once.
func TestModelsTakeTurnsUnderALimit(t *testing.T) {
	startRuntime(t)
	whole := start(t, testkit.Model(t, "translate-mini"), Options{})
	want := translate(t, whole, "es", "de", "Este libro es bueno.")
	summary, err := opened(t, testkit.Model(t, "translate-mini")).Summary()
	require.NoError(t, err)
	o := Options{Options: pipeline.Options{Gate: pipeline.NewGate(1), Keeper: pipeline.NewKeeper(summary.Memory * 3 / 2), OnUse: true}}
	var both []*Translator
	for _, dir := range []string{
		portion(t, "opus-mt-es-en", bundle.Direction{Source: "es", Target: "en", Prefix: ">>eng<<"}),
		portion(t, "opus-mt-en-de", bundle.Direction{Source: "en", Target: "de", Prefix: ">>deu<<"}),
	} {
		tr, err := Open(t.Context(), opened(t, dir), o)
		require.NoError(t, err)
		assert.False(t, tr.kept.Loaded(), "it was loaded before it was needed")
		both = append(both, tr)
	}
	Link(both...)
	run(t, both[0])
	run(t, both[1])
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() { assert.Equal(t, want, translate(t, both[0], "es", "de", "Este libro es bueno.")) })
		wait.Go(func() { assert.NotEmpty(t, translate(t, both[1], "en", "de", "This book is good.")) })
	}
	wait.Wait()
	assert.False(t, both[0].kept.Loaded() && both[1].kept.Loaded(), "both are in memory")
}

// Waiting calls learn that the translator stopped, whenever that is.
func TestStartAndStop(t *testing.T) {
	startRuntime(t)
	text := strings.Join(english(t, 8), "\n")
	for i := range 6 {
		tr, err := Open(t.Context(), opened(t, testkit.Model(t, "translate-mini")), Options{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				_, err := tr.Translate(context.Background(), jobspec.Translate{Text: strings.Repeat(text, 20), Source: "en", Target: "de"}, func(float64, string) {
					if i%2 == 0 {
						cancel()
					}
				})
				f, ok := pipeline.FailureOf(err)
				assert.True(t, ok, "got %v", err)
				assert.Equal(t, jobspec.CodeInternal, f.Code, "got %v", err)
			})
		}
		if i%2 == 1 {
			cancel()
		}
		assert.NoError(t, tr.Run(ctx))
		wait.Wait()
		cancel()
		assert.NoError(t, errors.Join(tr.Close(), tr.Close()))
	}
}

func TestOpenSaysWhatIsWrongWithAModel(t *testing.T) {
	startRuntime(t)
	broken := portion(t, "broken", bundle.Direction{Source: "es", Target: "en", Prefix: ">>eng<<"})
	require.NoError(t, os.RemoveAll(filepath.Join(broken, "onnx")))
	missing := portion(t, "missing", bundle.Direction{Source: "es", Target: "en", Prefix: ">>eng<<"})
	require.NoError(t, os.RemoveAll(filepath.Join(missing, "onnx")))
	require.NoError(t, os.Mkdir(filepath.Join(broken, "onnx"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "onnx", "encoder_model.onnx"), []byte("no model"), 0o600))
	for dir, want := range map[string]jobspec.Code{
		broken: jobspec.CodeModelBroken, missing: jobspec.CodeModelMissing,
		portion(t, "prefix", bundle.Direction{Source: "es", Target: "en", Prefix: ">>xyz<<"}): jobspec.CodeModelBroken,
	} {
		_, err := Open(t.Context(), opened(t, dir), Options{})
		f, ok := pipeline.FailureOf(err)
		assert.True(t, ok, "%s: got %v, want %s", dir, err, want)
		assert.Equal(t, want, f.Code, "%s: got %v", dir, err)
	}
}
