package model

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/pipeline"
	"parley/worker/pipeline/write"
)

// served opens a bundle and runs its handler for the test.
func served(t *testing.T, dir string) worker.Handler {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	set, err := Open(ctx, dir, pipeline.Options{Library: testkit.ONNX(t)})
	require.NoError(t, err)
	require.Len(t, set.Handlers(), 1)
	h := set.Handlers()[0]
	ended := make(chan error, 1)
	go func() { ended <- h.(interface{ Run(context.Context) error }).Run(ctx) }() //nolint:forcetypeassert // the test ends where it has none
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
		assert.NoError(t, set.Close())
	})
	return h
}

// perform has a handler do a task and gives its output and what it showed.
func perform[T any](t *testing.T, h worker.Handler, payload any) (out T, previews [][]byte) {
	t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(t, err)
	task := worker.Task{Run: "r", Kind: h.Bundle().Kind, Payload: data, Keep: func(any) {}, Show: func(p []byte) { previews = append(previews, p) }}
	result, err := h.Handle(t.Context(), task, func(float64, string) {})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(result, &out))
	return out, previews
}

func answer(t *testing.T, h worker.Handler, prompt string) (a jobspec.PromptAnswer) {
	t.Helper()
	data, err := json.Marshal(jobspec.PromptQuery{Prompt: prompt})
	require.NoError(t, err)
	result, err := h.(worker.Answerer).Answer(t.Context(), data) //nolint:forcetypeassert // the test ends where it is none
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(result, &a))
	return a
}

// Of the candidates of a small model the one is given that keeps most of the words, and the
// result says all that makes it again.
func TestAWishIsWrittenFromSeveralCandidates(t *testing.T) {
	t.Parallel()
	h := served(t, testkit.Model(t, "caption-mini"))
	kept := func(candidates int) (n int) {
		for seed := range uint64(12) {
			wish := "snowy mountain, dog"
			out, _ := perform[jobspec.Written](t, h, jobspec.Write{Ask: wish, Seed: seed, Candidates: candidates})
			require.Len(t, out.Texts, 1)
			for w := range stemsOf(out.Texts[0].Text) {
				if stemsOf(wish)[w] {
					n++
				}
			}
			if candidates == 0 {
				assert.Equal(t, 8, out.Candidates, "as many as its card says")
				assert.Equal(t, "snowy mountain, dog =>", out.Prompt)
				assert.Equal(t, h.Bundle().Digest, out.Digest)
				assert.Len(t, out.Digest, 64)
				assert.True(t, strings.HasPrefix(out.Runtime, "onnxruntime 1."), out.Runtime)
				assert.Equal(t, jobspec.WriteSettings{MaxNewTokens: 32, DoSample: true, Temperature: 0.7, TopK: 50, TopP: 0.9, RepetitionPenalty: 1.1}, out.Settings)
				assert.True(t, out.Rendered)
				again, _ := perform[jobspec.Written](t, h, jobspec.Write{Ask: wish, Rendered: out.Prompt, Seed: seed, Candidates: out.Candidates})
				assert.Equal(t, out, again)
			}
		}
		return n
	}
	one, best := kept(1), kept(0)
	t.Logf("words kept of 36: %d by one text, %d by the best of eight", one, best)
	assert.Greater(t, best, one)
}

func TestWorkForOtherFilesIsRefused(t *testing.T) {
	t.Parallel()
	h := served(t, testkit.Model(t, "caption-mini"))
	for digest, refused := range map[string]bool{"": false, h.Bundle().Digest: false, "other": true} {
		payload, err := json.Marshal(jobspec.Write{Ask: "a dog", Digest: digest})
		require.NoError(t, err)
		_, err = h.Handle(t.Context(), worker.Task{Run: "r", Kind: jobspec.KindWrite, Payload: payload, Keep: func(any) {}}, func(float64, string) {})
		assert.Equal(t, refused, err != nil, "%q: %v", digest, err)
	}
}

func TestOfEqualCandidatesTheFirstIsTaken(t *testing.T) {
	t.Parallel()
	texts := []write.Written{{Text: "Nothing."}, {Text: "A red car."}, {Text: "A red bus."}, {Text: "The cars are red."}}
	assert.Equal(t, texts[1], mostWordsOf("red car", texts))
	assert.Equal(t, texts[3], mostWordsOf("cars, red", texts[2:]))
	assert.Equal(t, texts[0], mostWordsOf("!", texts))
}

func TestAPromptIsCountedInTheModelsTokens(t *testing.T) {
	t.Parallel()
	writer := served(t, testkit.Model(t, "caption-mini"))
	a := answer(t, writer, "dog, beach")
	assert.Equal(t, 10, a.Kept, "all of it")
	assert.Positive(t, a.Tokens)
	assert.Greater(t, a.Most, a.Tokens)

	painter := served(t, testkit.Shared(t, "models", "random", "lcm-random"))
	short := answer(t, painter, "a cat")
	assert.Equal(t, 5, short.Kept)
	assert.LessOrEqual(t, short.Tokens, short.Most)
	long := "a cat " + strings.Repeat("in a house ", 100)
	a = answer(t, painter, long)
	assert.Greater(t, a.Tokens, a.Most)
	assert.Less(t, a.Kept, len(long))
	require.Positive(t, a.Kept)
	assert.Equal(t, byte(' '), long[a.Kept], "between two words")
	assert.LessOrEqual(t, answer(t, painter, long[:a.Kept]).Tokens, a.Most)
	next := a.Kept + 1 + strings.IndexByte(long[a.Kept+1:], ' ')
	assert.Greater(t, answer(t, painter, long[:next]).Tokens, a.Most)
}

// What can't be drawn is refused while somebody waits, as it would be later.
func TestAPictureThatCantBeDrawnIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	h := served(t, testkit.Shared(t, "models", "random", "lcm-random"))
	for name, c := range map[string]struct {
		draw    jobspec.Draw
		refused bool
	}{
		"its own size": {jobspec.Draw{Prompt: "a cat"}, false}, "a size": {jobspec.Draw{Width: 64, Height: 32, Steps: 50}, false},
		"an odd width": {jobspec.Draw{Width: 63}, true}, "too large": {jobspec.Draw{Width: 2048, Height: 2048}, true},
		"many steps": {jobspec.Draw{Steps: 51}, true}, "a negative prompt": {jobspec.Draw{Negative: "dogs"}, true},
	} {
		query, err := json.Marshal(jobspec.PromptQuery{Prompt: "a cat", Draw: &c.draw})
		require.NoError(t, err)
		_, err = h.(worker.Answerer).Answer(t.Context(), query) //nolint:forcetypeassert // the test ends where it is none
		assert.Equal(t, c.refused, err != nil, "%s: %v", name, err)
	}
}

func TestAPictureIsShownWhileItIsDrawn(t *testing.T) {
	t.Parallel()
	h := served(t, testkit.Shared(t, "models", "random", "lcm-random"))
	out, previews := perform[jobspec.Drawn](t, h, jobspec.Draw{Prompt: "a cat", Seed: 5, Steps: 3})
	require.Len(t, previews, 3)
	for _, p := range previews {
		assert.LessOrEqual(t, len(p), jobspec.MaxPreview)
		small, err := png.Decode(bytes.NewReader(p))
		require.NoError(t, err)
		assert.Less(t, small.Bounds().Dx(), out.Width)
	}
	assert.Equal(t, 3, out.Steps)
	assert.InDelta(t, 8.5, out.Guidance, 0)
	assert.Equal(t, h.Bundle().Digest, out.Digest)
	assert.NotEmpty(t, out.Runtime)
}

// A T5 whose card says so writes what the reference writes.
func TestAT5WritesWhereItsCardSaysSo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "t5")
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Shared(t, "models", "random", "t5-random"))))
	overwrite(t, filepath.Join(dir, "parley.json"), []byte(`{"kind": "write"}`))
	h := served(t, dir)
	require.Equal(t, jobspec.KindWrite, h.Bundle().Kind)
	ref, err := pipeline.ReadReference(dir)
	require.NoError(t, err)
	compared := 0
	for _, c := range ref.Cases {
		var s struct {
			NumBeams  int  `json:"num_beams"`
			Sequences int  `json:"num_return_sequences"`
			DoSample  bool `json:"do_sample"`
			Most      int  `json:"max_new_tokens"`
		}
		require.NoError(t, json.Unmarshal(c.Settings, &s))
		if s.NumBeams > 1 || s.Sequences > 1 || s.DoSample {
			continue
		}
		out, _ := perform[jobspec.Written](t, h, jobspec.Write{Ask: c.Input, Settings: c.Settings})
		require.Len(t, out.Texts, 1)
		assert.Equal(t, strings.TrimLeft(c.Text, " "), out.Texts[0].Text, c.Input)
		assert.Equal(t, c.Input, out.Prompt)
		assert.False(t, out.Rendered)
		if s.Most > 0 {
			assert.Equal(t, s.Most, out.Settings.MaxNewTokens)
		}
		compared++
	}
	assert.Greater(t, compared, 5)
	assert.Zero(t, answer(t, h, "What?").Most, "its positions are relative")
}
