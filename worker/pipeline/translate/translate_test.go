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
	if err != nil {
		t.Fatal(err)
	}
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
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}

func translate(t testing.TB, tr *Translator, source, target, text string, o ...CallOption) string {
	t.Helper()
	got, err := tr.Translate(t.Context(), jobspec.Translate{Text: text, Source: source, Target: target}, nil, o...)
	if err != nil {
		t.Error(err)
	}
	return got.Text
}

// english gives n different sentences of the reference.
func english(t testing.TB, n int) []string {
	t.Helper()
	ref, err := pipeline.ReadReference(testkit.Model(t, "translate-mini"))
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	tried := 0
	for _, c := range ref.Cases {
		text, ok := strings.CutPrefix(c.Input, ">>spa<< ")
		if rest, _ := tr.carrier.prepare(text); !ok || !strings.Contains(string(c.Settings), `"num_beams": 4`) || rest != text || len(document.Split(text, "en")) > 1 {
			continue
		}
		tried++
		wait.Go(func() {
			if got := translate(t, tr, "en", "es", text); got != c.Text {
				t.Errorf("%q: got %q, want %q", text, got, c.Text)
			}
		})
	}
	wait.Wait()
	if tried < 10 {
		t.Errorf("only %d cases fit", tried)
	}
}

func TestLayoutStays(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	s := english(t, 8)
	text := "# " + s[0] + "\r\n\r\n" + s[1] + "  " + s[2] + "\n\n\n- " + s[3] + "\n  * " + s[4] + "\t\n10. " + s[5] + "\n> - [x] " + s[6] + "\n---\n```\nfor i := range 3 {}\n```\n\t" + s[7] + "\n 12:30 \n"
	got := translate(t, tr, "en", "es", text)
	want := "# " + translate(t, tr, "en", "es", s[0]) + "\r\n\r\n" + translate(t, tr, "en", "es", s[1]) + "  " + translate(t, tr, "en", "es", s[2]) +
		"\n\n\n- " + translate(t, tr, "en", "es", s[3]) + "\n  * " + translate(t, tr, "en", "es", s[4]) + "\t\n10. " + translate(t, tr, "en", "es", s[5]) +
		"\n> - [x] " + translate(t, tr, "en", "es", s[6]) + "\n---\n```\nfor i := range 3 {}\n```\n\t" + translate(t, tr, "en", "es", s[7]) + "\n 12:30 \n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, same := range []string{"", "\n\n", "  \t", "1234", "- \n* \n", "👍", "日本語\nПривет", "https://example.org/a?b=c"} {
		if got := translate(t, tr, "en", "es", same); got != same {
			t.Errorf("%q became %q", same, got)
		}
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
		if got := translate(t, tr, "en", "es", text); !check(got) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// Texts far beyond the model's positions are cut, at any cost.
func TestLongSentencesAreNoError(t *testing.T) {
	tr := start(t, testkit.Shared(t, "models", "random", "marian-random"), Options{})
	source, target := tr.Bundle().Directions[0].Source, tr.Bundle().Directions[0].Target
	for _, text := range []string{strings.Repeat("word ", 500), strings.Repeat("x", 700), strings.Repeat("a, b; ", 200), strings.Repeat("é", 500)} {
		if got := translate(t, tr, source, target, text); got == "" {
			t.Errorf("%.20q became nothing", text)
		}
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
			if p < progress || p > 1 || !strings.HasPrefix(s, partial) {
				t.Errorf("%v %q after %v %q", p, s, progress, partial)
			}
			progress, partial = p, s
			words++
		})
		if err != nil || progress != 1 || partial != got.Text || words < 12 || got.Model != "translate-mini" {
			t.Errorf("to %s: %v, %d words up to %v, %q of %q", target, err, words, progress, partial, got.Text)
		}
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
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, ok := pipeline.FailureOf(err); ok {
		t.Error("a cancelled call counts as failed")
	}
	if got := <-neighbour; got != want {
		t.Errorf("neighbour: got %q, want %q", got, want)
	}
}

// Rows that are dropped inside a run leave the others as they are.
func TestDroppedRowsLeaveTheOthers(t *testing.T) {
	l := load(t, testkit.Shared(t, "models", "translate-mini"))
	var cases []pipeline.ReferenceCase
	for _, c := range l.reference.Cases {
		if strings.Contains(string(c.Settings), `"num_beams": 4`) {
			cases = append(cases, c)
		}
	}
	cases = cases[:12]
	var inputs [][]int64
	for _, c := range cases {
		inputs = append(inputs, c.InputIDs)
	}
	asked := make([]int, len(inputs))
	outputs := map[int][]int64{}
	err := l.generator.Run(t.Context(), pipeline.Batch{
		Inputs: inputs, Settings: l.settings(t, cases[0].Settings),
		Dropped: func(i int) bool { asked[i]++; return i%3 == 1 && asked[i] == 1+i%4 },
		Done:    func(i int, ids []int64) { outputs[i] = ids },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		switch got, ok := outputs[i]; {
		case i%3 == 1 && ok:
			t.Errorf("input %d was dropped and finished", i)
		case i%3 != 1 && !slices.Equal(got, c.Output):
			t.Errorf("%q: got %v, want %v", c.Input, got, c.Output)
		}
	}
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
			if got := translate(t, tr, "en", "es", text, o...); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
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
		if f, ok := pipeline.FailureOf(err); !ok || f.Code != test.want || f.Message == "" {
			t.Errorf("%.20q %s-%s: got %+v of %v, want %s", test.job.Text, test.job.Source, test.job.Target, f, err, test.want)
		}
	}
	if got := translate(t, tr, "en-GB", "es-MX", english(t, 1)[0]); got == "" {
		t.Error("a more precise tag is not served")
	}
}

// portion copies the bundle with some of its directions, the big files linked.
func portion(t testing.TB, name string, directions ...bundle.Direction) string {
	t.Helper()
	from, err := filepath.Abs(testkit.Model(t, "translate-mini"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"config.json", "generation_config.json", "tokenizer_config.json", "source.spm", "target.spm", "vocab.json", "onnx"} {
		if err := os.Symlink(filepath.Join(from, file), filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	card, err := json.Marshal(bundle.Card{Directions: directions})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "parley.json"), card, 0o600); err != nil {
		t.Fatal(err)
	}
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
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, tr)
	}
	Link(both...)
	run(t, both[0])
	run(t, both[1])
	want := []jobspec.Direction{{Source: "es", Target: "de", Pivot: true}, {Source: "es", Target: "en"}}
	if got := both[0].Bundle().Directions; !slices.Equal(got, want) {
		t.Errorf("directions %v, want %v", got, want)
	}
	text := "Este libro es bueno.\n\nNo importa."
	got, err := both[0].Translate(t.Context(), jobspec.Translate{Text: text, Source: "es", Target: "de"}, nil)
	if err != nil || got.Model != "opus-mt-es-en+opus-mt-en-de" || got.Text != translate(t, whole, "es", "de", text) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Waiting calls learn that the translator stopped, whenever that is.
func TestStartAndStop(t *testing.T) {
	startRuntime(t)
	text := strings.Join(english(t, 8), "\n")
	for i := range 6 {
		tr, err := Open(t.Context(), opened(t, testkit.Model(t, "translate-mini")), Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				_, err := tr.Translate(context.Background(), jobspec.Translate{Text: strings.Repeat(text, 20), Source: "en", Target: "de"}, func(float64, string) {
					if i%2 == 0 {
						cancel()
					}
				})
				if f, ok := pipeline.FailureOf(err); !ok || f.Code != jobspec.CodeInternal {
					t.Errorf("got %v", err)
				}
			})
		}
		if i%2 == 1 {
			cancel()
		}
		if err := tr.Run(ctx); err != nil {
			t.Error(err)
		}
		wait.Wait()
		cancel()
		if err := errors.Join(tr.Close(), tr.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenSaysWhatIsWrongWithAModel(t *testing.T) {
	startRuntime(t)
	broken := portion(t, "broken", bundle.Direction{Source: "es", Target: "en", Prefix: ">>eng<<"})
	if err := os.Remove(filepath.Join(broken, "onnx")); err != nil {
		t.Fatal(err)
	}
	missing := portion(t, "missing", bundle.Direction{Source: "es", Target: "en", Prefix: ">>eng<<"})
	if err := os.Remove(filepath.Join(missing, "onnx")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(broken, "onnx"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "onnx", "encoder_model.onnx"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]jobspec.Code{
		broken: jobspec.CodeModelBroken, missing: jobspec.CodeModelMissing,
		portion(t, "prefix", bundle.Direction{Source: "es", Target: "en", Prefix: ">>xyz<<"}): jobspec.CodeModelBroken,
	} {
		_, err := Open(t.Context(), opened(t, dir), Options{})
		if f, ok := pipeline.FailureOf(err); !ok || f.Code != want {
			t.Errorf("%s: got %v, want %s", dir, err, want)
		}
	}
}
