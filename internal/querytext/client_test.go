package querytext_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
	"parley/internal/embedding"
	"parley/internal/jobspec"
	"parley/internal/querytext"
	"parley/worker"
)

func given(language string) *string { return &language }

func TestClient_TranslatesWhatTheModelDoesNotUnderstand(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "translate-mini")
	c, known := b.client(0), english(t, 1)
	for _, in := range []struct {
		text      string
		preferred []string
		from      string
		says      string
	}{
		{"perro", nil, "es", "dog"}, {"manzana roja", nil, "es", "apple"}, {"gato negro", nil, "es", "cat"},
		{"GATO NEGRO", []string{"es-MX", "en"}, "es", "cat"}, {"chien", []string{"fr-CA"}, "fr", "dog"},
		{"roter  Apfel", []string{"de"}, "de", "apple"}, {"roter Apfel", []string{"", "x\xff", "*", "ja", "de"}, "de", "apple"},
	} {
		got, err := c.Understood(t.Context(), asked(in.text, known, in.preferred...))
		require.NoError(t, err, in.text)
		if in.preferred != nil {
			assert.Equal(t, in.from, got.From, in.text)
		}
		assert.True(t, got.Translated, in.text)
		assert.Contains(t, embedding.Normalize(got.Text), in.says, in.text)
	}
	// A language that is given is believed.
	a := asked("chat", known, "en")
	a.Language = given("fr-FR")
	got, err := c.Understood(t.Context(), a)
	require.NoError(t, err)
	assert.Equal(t, "fr", got.From)
	assert.Contains(t, embedding.Normalize(got.Text), "cat")
}

func TestClient_LeavesWhatIsUnderstood(t *testing.T) {
	b := setup(t)
	b.bundles = append(b.bundles, translator("t", "es>en", "en>es", "fr>es"))
	c, known := b.client(0), english(t, 1)
	for name, a := range map[string]querytext.Asked{
		"known words":       asked("Red apple", known, "es"),
		"no letters":        asked("😀 42", known, "es"),
		"nothing":           asked("", known, "es"),
		"broken":            asked("perro \xff", known, "es"),
		"too long":          asked(strings.Repeat("perro ", 100), known, "es"),
		"far too long":      asked(strings.Repeat("perro ", 1<<20), known, "es"),
		"long in full":      asked(strings.Repeat("\ufdfa", 50), known, "ar"),
		"English, as given": {Text: "perro", Digest: searching, Language: given("en-GB")},
		"no language":       {Text: "perro", Digest: searching, Language: given("\xff no language")},
		"another model":     {Text: "perro", Digest: "other", Preferred: []string{"es"}},
		"no way":            asked("der große rote Apfel liegt unter dem Baum", known, "fr"),
		"English":           asked("the children were playing together in the garden behind their house", nil),
	} {
		got, err := c.Understood(t.Context(), a)
		assert.NoError(t, err, name)
		assert.Equal(t, querytext.Understood{Text: a.Text}, got, name)
	}
	b.bundles[0].Languages = nil
	got, err := c.Understood(t.Context(), asked("perro", known, "es"))
	assert.NoError(t, err, "a model that does not say what it understands")
	assert.Equal(t, querytext.Understood{Text: "perro"}, got)
	assert.Zero(t, b.asked.Load())
}

func TestClient_SaysWhyThereIsNoTranslation(t *testing.T) {
	// What a caller begins goes on without it, so that each has a bench of its own.
	fresh := func() *bench {
		b := setup(t)
		b.bundles = append(b.bundles, translator("t", "es>en"))
		return b
	}
	for name, in := range map[string]struct {
		language string
		hold     func(ctx context.Context)
		err      error
	}{
		"nobody listens":       {"es", nil, querytext.ErrNoWorker},
		"nobody has it":        {"ja", nil, querytext.ErrNoWorker},
		"the time is up":       {"es", func(ctx context.Context) { <-ctx.Done() }, querytext.ErrDeadline},
		"preferred, no worker": {"", nil, querytext.ErrNoWorker},
	} {
		b := fresh()
		b.hold = in.hold
		a := asked("perro", nil, "es")
		if in.language != "" {
			a.Language = &in.language
		}
		begun := time.Now()
		got, err := b.client(500*time.Millisecond).Understood(t.Context(), a)
		assert.ErrorIs(t, err, in.err, name)
		assert.Equal(t, "perro", got.Text, name)
		assert.False(t, got.Translated, name)
		assert.Less(t, time.Since(begun), ample/2, name)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	b := fresh()
	// The request is everybody's and goes on: until the test has its answer.
	told := make(chan struct{})
	defer close(told)
	b.hold = func(context.Context) { <-told }
	_, err := b.client(0).Understood(left, asked("perro", nil, "es"))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestClient_AWorkerThatStoppedIsToldAtOnce(t *testing.T) {
	b := setup(t)
	stop := b.work(worker.Config{}, "translate-mini")
	c := b.client(0)
	kept, err := c.Understood(t.Context(), asked("perro", nil, "es"))
	require.NoError(t, err)
	stop()
	begun := time.Now()
	_, err = c.Understood(t.Context(), asked("gato", nil, "es"))
	assert.ErrorIs(t, err, querytext.ErrNoWorker, "it has stopped, and nobody knows yet")
	assert.Less(t, time.Since(begun), ample/2)
	again, err := c.Understood(t.Context(), asked("perro", nil, "es"))
	require.NoError(t, err, "what is kept needs no worker")
	assert.Equal(t, kept, again)
}

func TestClient_OverloadIsTold(t *testing.T) {
	c := answered(t, func(context.Context) (json.RawMessage, error) {
		return nil, &jobspec.Failure{Code: jobspec.CodeOverloaded}
	})
	_, err := c.Understood(t.Context(), asked("perro", nil, "es"))
	assert.ErrorIs(t, err, querytext.ErrOverloaded)
}

// What comes from another model than the one that was asked, or is none, is no translation.
func TestClient_BelievesNoOtherAnswer(t *testing.T) {
	for name, answer := range map[string]any{
		"another model": jobspec.TranslateAnswer{Digest: "other", Text: "dog"},
		"nothing":       jobspec.TranslateAnswer{Digest: "t", Text: " "},
		"endless":       jobspec.TranslateAnswer{Digest: "t", Text: strings.Repeat("dog ", 2000)},
		"no answer":     []int{1},
	} {
		c := answered(t, func(context.Context) (json.RawMessage, error) { return json.Marshal(answer) })
		got, err := c.Understood(t.Context(), asked("perro", nil, "es"))
		assert.ErrorIs(t, err, querytext.ErrFailed, name)
		assert.Equal(t, "perro", got.Text, name)
	}
	same := answered(t, func(context.Context) (json.RawMessage, error) {
		return json.Marshal(jobspec.TranslateAnswer{Digest: "t", Text: "Hotel"})
	})
	got, err := same.Understood(t.Context(), asked("hotel", nil, "es"))
	require.NoError(t, err)
	assert.Equal(t, querytext.Understood{Text: "hotel"}, got, "a word of both languages")
	_, err = querytext.New(querytext.Config{})
	assert.Error(t, err)
}

// answered makes a client whose requests are answered so.
func answered(t *testing.T, answer func(ctx context.Context) (json.RawMessage, error)) *querytext.Client {
	t.Helper()
	c, err := querytext.New(querytext.Config{
		Cache: cache.NewMemory(1 << 20), Deadline: ample,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) {
			return []jobspec.Bundle{embedder("en"), translator("t", "es>en")}, nil
		},
		Ask: func(ctx context.Context, _ string, _ any) (json.RawMessage, error) { return answer(ctx) },
	})
	require.NoError(t, err)
	return c
}

func TestClient_KeepsAndSharesTranslations(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "translate-mini")
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	b.hold = func(context.Context) {
		entered <- struct{}{}
		<-leave
	}
	c := b.client(0)
	var calls sync.WaitGroup
	texts := make(chan string, 16)
	for range cap(texts) {
		calls.Go(func() {
			got, err := c.Understood(t.Context(), asked(" perro ", nil, "es"))
			assert.NoError(t, err)
			texts <- got.Text
		})
	}
	<-entered
	close(leave)
	calls.Wait()
	close(texts)
	first := <-texts
	for text := range texts {
		assert.Equal(t, first, text)
	}
	got, err := b.client(0).Understood(t.Context(), asked("perro", nil, "es"))
	require.NoError(t, err)
	assert.Equal(t, first, got.Text)
	assert.Equal(t, int64(1), b.asked.Load(), "one request for all")
}

// A mesh has each of its languages as a source, whatever else it speaks.
func TestClient_AMeshTranslatesFromEachOfItsLanguages(t *testing.T) {
	c, err := querytext.New(querytext.Config{
		Cache: cache.NewMemory(1 << 20), Deadline: ample,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) {
			return []jobspec.Bundle{embedder("en"), {Kind: jobspec.KindTranslate, Digest: "t", Mesh: []string{"ca", "en", "pt-BR"}}}, nil
		},
		Ask: func(_ context.Context, _ string, payload any) (json.RawMessage, error) {
			q := payload.(jobspec.TranslateQuery)
			return json.Marshal(jobspec.TranslateAnswer{Digest: "t", Text: q.Source + ">" + q.Target})
		},
	})
	require.NoError(t, err)
	for tag, want := range map[string]string{"pt": "pt-BR>en", "pt-PT": "pt-BR>en", "ca": "ca>en"} {
		a := asked("gat", nil)
		a.Language = given(tag)
		got, err := c.Understood(t.Context(), a)
		require.NoError(t, err, tag)
		assert.Equal(t, want, got.Text, tag)
	}
}

func FuzzClient_Understood(f *testing.F) {
	for _, s := range []string{"perro", "😀", "\xff", "\ufdfa", "ß", "", "a\x00b"} {
		f.Add(s, "es", s)
	}
	c, err := querytext.New(querytext.Config{
		Cache: cache.NewMemory(1 << 20), Deadline: ample,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) {
			return []jobspec.Bundle{embedder("en"), translator("t", "es>en", "de>en")}, nil
		},
		Ask: func(context.Context, string, any) (json.RawMessage, error) {
			return json.Marshal(jobspec.TranslateAnswer{Digest: "t", Text: "translated"})
		},
	})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text, preferred, language string) {
		a := asked(text, nil, preferred)
		if language != "" {
			a.Language = &language
		}
		got, err := c.Understood(t.Context(), a)
		if err != nil {
			require.ErrorIs(t, err, querytext.ErrNoWorker)
		}
		require.Contains(t, []string{text, "translated"}, got.Text)
	})
}
