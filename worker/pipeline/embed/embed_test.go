package embed

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

func opened(t testing.TB, dir string) *bundle.Bundle {
	t.Helper()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	return b
}

// service is what is opened, run and closed.
type service interface {
	Run(ctx context.Context) error
	Close() error
}

// run runs a service until the test ends.
func run(t testing.TB, s service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
		assert.NoError(t, s.Close())
	})
}

func texts(t testing.TB, name string) *Texts {
	t.Helper()
	e, err := OpenTexts(t.Context(), opened(t, testkit.Shared(t, "models", name)), pipeline.Options{})
	require.NoError(t, err)
	run(t, e)
	return e
}

func TestEveryBundleEqualsItsReference(t *testing.T) {
	for _, name := range []string{"random/bert-random", "minilm", "random/clip-random", "sticker-mini"} {
		t.Run(name, func(t *testing.T) {
			b := opened(t, testkit.Shared(t, "models", name))
			f := &pipeline.Findings{}
			require.NoError(t, Verify(t.Context(), b, pipeline.Options{}, f))
			assert.Empty(t, f.Differences)
			assert.NotZero(t, f.Cases.Total)
			assert.NotZero(t, f.Tokens.Total)
			assert.Equal(t, b.Kind == bundle.KindCLIP, f.Pictures.Total > 0)
		})
	}
}

// Whoever else asks, and for what, a text has the same vector to the last bit.
func TestCompanyChangesNothing(t *testing.T) {
	e := texts(t, "sticker-mini")
	words := strings.Fields("a red apple on the table near two small cats sleeping in warm winter sun while birds sing over old roofs")
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]string, 60)
	for i := range all {
		for range 1 + random.IntN(40) {
			all[i] += words[random.IntN(len(words))] + " "
		}
	}
	alone := make([][]float32, len(all))
	for i, text := range all {
		vectors, err := e.Embed(t.Context(), []string{text})
		require.NoError(t, err)
		alone[i] = vectors[0]
	}
	var wait sync.WaitGroup
	for caller := range 6 {
		wait.Go(func() {
			for at := caller; at < len(all); at += 6 {
				vectors, err := e.Embed(t.Context(), all[at:min(at+1+caller, len(all))])
				if assert.NoError(t, err) {
					for i, v := range vectors {
						assert.Equal(t, alone[at+i], v, "%q", all[at+i])
					}
				}
			}
		})
	}
	wait.Wait()
}

func TestTextsAreCutOrRefused(t *testing.T) {
	e := texts(t, "random/bert-random")
	long, err := e.Embed(t.Context(), []string{strings.Repeat("word ", 5000), "", "\u200b"})
	require.NoError(t, err)
	assert.Len(t, long, 3)
	for text, want := range map[string]string{"\xff": "UTF-8", strings.Repeat("a", maxText+1): "bytes"} {
		_, err := e.Embed(t.Context(), []string{text})
		f, _ := pipeline.FailureOf(err)
		assert.Equal(t, jobspec.CodeInvalidInput, f.Code, "%.10q", text)
		assert.Contains(t, f.Message, want)
	}
	nothing, err := e.Embed(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, nothing)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Embed(ctx, []string{"a"})
	assert.ErrorIs(t, err, context.Canceled)
}

// Calls that wait when the model stops learn it.
func TestStartAndStop(t *testing.T) {
	b := opened(t, testkit.Shared(t, "models", "random", "bert-random"))
	for range 4 {
		e, err := OpenTexts(t.Context(), b, pipeline.Options{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				var err error
				for err == nil {
					_, err = e.Embed(context.Background(), []string{"some words"})
					cancel()
				}
				f, _ := pipeline.FailureOf(err)
				assert.Equal(t, jobspec.CodeInternal, f.Code)
			})
		}
		require.NoError(t, e.Run(ctx))
		wait.Wait()
		require.NoError(t, e.Close())
		cancel()
	}
}

// The towers of two bundles, with memory for a part of them, take turns and give what
// they give alone.
func TestModelsTakeTurnsUnderALimit(t *testing.T) {
	b := opened(t, testkit.Shared(t, "models", "random", "clip-random"))
	want, err := texts(t, "random/clip-random").Embed(t.Context(), []string{"a cat"})
	require.NoError(t, err)
	need, err := memoryOf(b, visionFile)
	require.NoError(t, err)
	require.NotZero(t, need)
	o := pipeline.Options{Keeper: pipeline.NewKeeper(need * 3 / 2), OnUse: true}
	e, err := OpenTexts(t.Context(), b, o)
	require.NoError(t, err)
	run(t, e)
	p, err := OpenPictures(t.Context(), b, o)
	require.NoError(t, err)
	run(t, p)
	assert.False(t, e.kept.Loaded() || p.kept.Loaded(), "loaded before it was needed")
	one := &picture.Picture{Width: 20, Height: 30, RGB: make([]uint8, 3*20*30)}
	seen, err := p.Embed(t.Context(), []*picture.Picture{one})
	require.NoError(t, err)
	assert.True(t, p.kept.Loaded())
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			got, err := e.Embed(t.Context(), []string{"a cat"})
			assert.NoError(t, err)
			assert.Equal(t, want, got)
		})
		wait.Go(func() {
			got, err := p.Embed(t.Context(), []*picture.Picture{one})
			assert.NoError(t, err)
			assert.Equal(t, seen, got)
		})
	}
	wait.Wait()
	assert.False(t, e.kept.Loaded() && p.kept.Loaded(), "both are in memory")
}

// variant copies a bundle with files changed; nil takes one away.
func variant(t testing.TB, name string, files map[string]any) *bundle.Bundle {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "variant")
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Shared(t, "models", filepath.FromSlash(name)))))
	for file, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if content == nil {
			require.NoError(t, os.RemoveAll(path))
			continue
		}
		data, err := json.Marshal(content)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	return opened(t, dir)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for want, files := range map[string]map[string]any{
		"module Dense is not supported": {"modules.json": []map[string]string{{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}}},
		"include_prompt false":          {"1_Pooling/config.json": map[string]bool{"pooling_mode_mean_tokens": true, "include_prompt": false}},
		"no way of pooling":             {"1_Pooling/config.json": map[string]bool{}},
		"no model.onnx":                 {"onnx": nil},
		"tokenizer":                     {"tokenizer.json": nil, "vocab.txt": nil},
		"cannot unmarshal":              {"sentence_bert_config.json": []int{1}},
	} {
		_, err := OpenTexts(t.Context(), variant(t, "random/bert-random", files), pipeline.Options{})
		assert.ErrorContains(t, err, want)
		var e *pipeline.Error
		assert.ErrorAs(t, err, &e)
	}
	_, err := OpenPictures(t.Context(), variant(t, "random/clip-random", map[string]any{"preprocessor_config.json": map[string]any{"image_processor_type": "FancyImageProcessor"}}), pipeline.Options{})
	assert.ErrorContains(t, err, "FancyImageProcessor")
}

// Every way of pooling, against the definition: the states of two tokens.
func TestPooling(t *testing.T) {
	t.Parallel()
	states := []float32{1, 5, 3, -1, 2, 2}
	for way, want := range map[poolingWay][]float32{
		poolCLS: {1, 5}, poolLast: {2, 2}, poolMax: {3, 5}, poolMean: {2, 2},
		poolRoot: {6 / 1.7320508, 6 / 1.7320508}, poolWeighted: {(1 + 6 + 6) / 6.0, (5 - 2 + 6) / 6.0},
	} {
		assert.InDeltaSlice(t, want, pooling{[]poolingWay{way}}.of(states, 2), 1e-6, string(way))
	}
	assert.Equal(t, []float32{1, 5, 2, 2}, pooling{[]poolingWay{poolCLS, poolLast}}.of(states, 2), "several ways")
	zero := []float32{0, 0}
	normalize(zero)
	assert.Equal(t, []float32{0, 0}, zero)
}

// The last token's state and a prompt in front, as newer embedders have it.
func TestPromptsAndLastTokens(t *testing.T) {
	b := variant(t, "random/bert-random", map[string]any{
		"1_Pooling/config.json":             map[string]bool{"pooling_mode_lasttoken": true},
		"config_sentence_transformers.json": map[string]any{"prompts": map[string]string{"query": "query: "}, "default_prompt_name": "query"},
	})
	e, err := OpenTexts(t.Context(), b, pipeline.Options{})
	require.NoError(t, err)
	run(t, e)
	plain := texts(t, "random/bert-random")
	assert.Equal(t, plain.Encode("query: hello"), e.Encode("hello"))
	got, err := e.Embed(t.Context(), []string{"hello", "a longer one in its company"})
	require.NoError(t, err)
	again, err := e.Embed(t.Context(), []string{"hello"})
	require.NoError(t, err)
	assert.Equal(t, again[0], got[0])
	mean, err := plain.Embed(t.Context(), []string{"query: hello"})
	require.NoError(t, err)
	assert.Less(t, cosine(mean[0], got[0]), 0.999, "it was pooled as before")
}

func TestPicturesAreDecodedAndEmbedded(t *testing.T) {
	p, err := OpenPictures(t.Context(), opened(t, testkit.Shared(t, "models", "sticker-mini")), pipeline.Options{})
	require.NoError(t, err)
	run(t, p)
	e := texts(t, "sticker-mini")
	names := []string{"noto-cat-72.png", "noto-pizza-72.png", "fluent-flat-rocket-72.png", "fluent-3d-red-apple-72.png"}
	var pictures []*picture.Picture
	for _, name := range names {
		data, err := os.ReadFile(testkit.Shared(t, "models", "sticker-mini", "pictures", name))
		require.NoError(t, err)
		one, err := picture.Decode(data, picture.DecodeOptions{})
		require.NoError(t, err)
		pictures = append(pictures, one)
	}
	seen, err := p.Embed(t.Context(), pictures)
	require.NoError(t, err)
	said, err := e.Embed(t.Context(), []string{"cat", "pizza", "rocket", "red apple"})
	require.NoError(t, err)
	for i := range said {
		for j := range seen {
			if i != j {
				assert.Greater(t, cosine(said[i], seen[i]), cosine(said[i], seen[j]), "%s: nearer to %s", names[i], names[j])
			}
		}
	}
}

func BenchmarkEmbed(b *testing.B) {
	e := texts(b, "minilm")
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			all := make([]string, batch)
			for i := range all {
				all[i] = "a small red apple lies on the table in the kitchen"
			}
			for b.Loop() {
				_, err := e.Embed(b.Context(), all)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "texts/s")
		})
	}
	b.Run("6 to 192 words", func(b *testing.B) {
		all := make([]string, 32)
		for i := range all {
			all[i] = strings.Repeat("apple ", 6*(1+i*13%32))
		}
		for b.Loop() {
			_, err := e.Embed(b.Context(), all)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "texts/s")
	})
}

// A graph that gives other states than one for each token is refused, and so is a text
// without tokens.
func TestStatesOfAnotherShapeAreRefused(t *testing.T) {
	t.Parallel()
	e := &textNetwork{network: &network{}, Texts: &Texts{sentence: sentence{pooling: pooling{[]poolingWay{poolMean}}}}}
	_, err := e.vectors(make([]float32, 4), []int64{1, 1, 4}, [][]int64{{5, 6, 7}}, 3)
	assert.ErrorIs(t, err, bundle.ErrBroken)
	_, err = e.work(t.Context(), [][]int64{{}})
	assert.ErrorIs(t, err, errNothing)
}
