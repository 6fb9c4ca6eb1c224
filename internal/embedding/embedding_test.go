package embedding_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
	"parley/internal/embedding"
	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
)

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Vectors are those of the reference, for texts and pictures of one space.
func TestClient_GivesTheReferencesVectors(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "sticker-mini")
	c := b.client(0)
	var ref struct {
		Texts, Images []struct {
			Input     string    `json:"input"`
			Embedding []float32 `json:"embedding"`
		}
	}
	require.NoError(t, json.Unmarshal(readShared(t, "sticker-mini", "reference.json"), &ref))
	compare := func(want []float32, v embedding.Vector, about string) {
		assert.GreaterOrEqual(t, dot(want, v.Values), 0.9999, about)
		assert.InDelta(t, 1, dot(v.Values, v.Values), 1e-5, about)
		assert.Equal(t, "sticker-mini", v.Model)
	}
	compared := 0
	for _, text := range ref.Texts {
		if embedding.Normalize(text.Input) != strings.ToLower(text.Input) || text.Input == "" {
			continue // the form that is embedded is another text
		}
		v, err := c.Text(t.Context(), "", text.Input)
		require.NoError(t, err)
		compare(text.Embedding, v, text.Input)
		compared++
	}
	assert.Greater(t, compared, 10)
	for _, image := range ref.Images {
		v, err := c.Picture(t.Context(), "sticker-mini", readShared(t, append([]string{"sticker-mini"}, strings.Split(image.Input, "/")...)...))
		require.NoError(t, err)
		compare(image.Embedding, v, image.Input)
	}
	apple, err := c.Text(t.Context(), "", "red apple")
	require.NoError(t, err)
	seen, err := c.Picture(t.Context(), apple.Digest, readShared(t, "sticker-mini", "pictures", "fluent-3d-red-apple-72.png"))
	require.NoError(t, err)
	other, err := c.Picture(t.Context(), apple.Digest, readShared(t, "sticker-mini", "pictures", "noto-pizza-72.png"))
	require.NoError(t, err)
	assert.Greater(t, dot(apple.Values, seen.Values), dot(apple.Values, other.Values))
}

// A text is asked for once, in whatever form it is written, however many ask.
func TestClient_EqualTextsAreAskedOnce(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "random", "clip-random")
	c := b.client(0)
	first, err := c.Text(t.Context(), "", "Red apple")
	require.NoError(t, err)
	for _, same := range []string{"red apple", "  RED \t\n apple ", "ｒｅｄ　apple"} {
		v, err := c.Text(t.Context(), "", same)
		require.NoError(t, err)
		assert.Equal(t, first, v)
	}
	assert.Equal(t, int64(1), b.asked.Load())
	hold := make(chan struct{})
	b.hold = func(context.Context) { <-hold }
	var calls sync.WaitGroup
	for range 200 {
		calls.Go(func() {
			_, err := c.Text(t.Context(), "", "many want it")
			assert.NoError(t, err)
		})
	}
	close(hold)
	calls.Wait()
	assert.LessOrEqual(t, b.asked.Load(), int64(2))
	b.hold = nil
	for i := range 200 {
		calls.Go(func() {
			v, err := c.Text(t.Context(), "", fmt.Sprintf("query %d", i))
			assert.NoError(t, err)
			assert.Len(t, v.Values, 64)
		})
	}
	calls.Wait()
	// Another process with the same cache asks no more.
	before := b.asked.Load()
	_, err = b.client(0).Text(t.Context(), first.Digest, "red apple")
	require.NoError(t, err)
	assert.Equal(t, before, b.asked.Load())
}

// Each caller has its own time, whoever shares the request.
func TestClient_EachCallerHasItsOwnDeadline(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "random", "clip-random")
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	b.hold = func(context.Context) {
		entered <- struct{}{}
		<-leave
	}
	c := b.client(0)
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	gone, goAway := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	calls.Go(func() {
		// It begins the request, and goes away.
		_, err := c.Text(gone, "", "apple")
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-entered
	calls.Go(func() {
		_, err := c.Text(short, "", "apple")
		assert.ErrorIs(t, err, embedding.ErrDeadline)
	})
	calls.Go(func() {
		_, err := c.Text(t.Context(), "", "apple")
		assert.NoError(t, err, "one that has time")
	})
	<-short.Done()
	goAway()
	close(leave)
	calls.Wait()
	assert.Equal(t, int64(1), b.asked.Load())
}

// Who comes when the time of the shared request is nearly up is not late with it.
func TestClient_WhoComesLateAsksAgain(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "random", "clip-random")
	entered := make(chan struct{}, 10)
	b.hold = func(ctx context.Context) {
		if entered <- struct{}{}; b.asked.Load() == 1 {
			<-ctx.Done()
		}
	}
	c := b.client(2 * time.Second)
	var calls sync.WaitGroup
	calls.Go(func() {
		_, err := c.Text(t.Context(), "", "apple")
		assert.ErrorIs(t, err, embedding.ErrDeadline)
	})
	<-entered
	time.Sleep(500 * time.Millisecond) // the second call's time ends so much later
	_, err := c.Text(t.Context(), "", "apple")
	assert.NoError(t, err)
	calls.Wait()
	assert.Equal(t, int64(2), b.asked.Load())
}

func TestClient_NoWorkerIsToldAtOnce(t *testing.T) {
	b := setup(t)
	c := b.client(0)
	_, err := c.Text(t.Context(), "", "apple")
	assert.ErrorIs(t, err, embedding.ErrNoWorker, "none was announced")
	stop := b.work(worker.Config{}, "random", "bert-random")
	_, err = c.Text(t.Context(), "other", "apple")
	assert.ErrorIs(t, err, embedding.ErrNoWorker, "another model")
	_, err = c.Picture(t.Context(), "", []byte("x"))
	assert.ErrorIs(t, err, embedding.ErrNoWorker, "one that reads pictures")
	v, err := c.Text(t.Context(), "bert-random", "apple")
	require.NoError(t, err)
	stop()
	begun := time.Now()
	_, err = c.Text(t.Context(), "", "pear")
	assert.ErrorIs(t, err, embedding.ErrNoWorker, "it has stopped, and nobody knows yet")
	assert.Less(t, time.Since(begun), ample/2)
	kept, err := c.Text(t.Context(), "", "apple")
	require.NoError(t, err, "what is kept needs no worker")
	assert.Equal(t, v, kept)
}

func TestClient_OverloadIsToldAtOnce(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{Queries: 1}, "sticker-mini")
	c := b.client(0)
	var calls sync.WaitGroup
	outcomes := make(chan error, 100)
	for i := range cap(outcomes) {
		calls.Go(func() {
			_, err := c.Text(t.Context(), "", fmt.Sprint(i, strings.Repeat(" word", 100)))
			outcomes <- err
		})
	}
	calls.Wait()
	close(outcomes)
	count := map[string]int{}
	for err := range outcomes {
		switch {
		case err == nil:
			count["answered"]++
		case errors.Is(err, embedding.ErrOverloaded):
			count["overloaded"]++
		default:
			t.Error(err)
		}
	}
	assert.Positive(t, count["answered"])
	assert.Positive(t, count["overloaded"])
}

func TestClient_RefusesWhatHasNoVector(t *testing.T) {
	b := setup(t)
	b.work(worker.Config{}, "random", "clip-random")
	c := b.client(0)
	for text, says := range map[string]string{
		"": "nothing", " \t\u3000\n": "nothing", "a\xff": "UTF-8", strings.Repeat("a", jobspec.MaxQueryText+1): "at most 4096",
		strings.Repeat("\ufdfa", 300): "at most 4096", strings.Repeat(" ", 1<<20): "at most 4096",
	} {
		_, err := c.Text(t.Context(), "", text)
		var input *embedding.InputError
		assert.ErrorAs(t, err, &input, "%.20q", text)
		assert.ErrorContains(t, err, says, "%.20q", text)
	}
	assert.Zero(t, b.asked.Load())
	header := []byte("IHDR\x00\x00\x80\x00\x00\x00\x80\x00\x08\x06\x00\x00\x00")
	sum := crc32.ChecksumIEEE(header)
	bomb := append(append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	for says, file := range map[string][]byte{"empty": nil, "can't be read": []byte("no picture"), "too large": bomb, "at most": make([]byte, embedding.MaxPicture+1)} {
		_, err := c.Picture(t.Context(), "", file)
		var input *embedding.InputError
		assert.ErrorAs(t, err, &input, says)
		assert.ErrorContains(t, err, says)
	}
	// More tokens than the model reads are cut, to the same vector.
	one, err := c.Text(t.Context(), "", strings.Repeat("word ", 100))
	require.NoError(t, err)
	other, err := c.Text(t.Context(), "", strings.Repeat("word ", 200))
	require.NoError(t, err)
	assert.Equal(t, one, other)
}

// What comes from another model than the one that was asked, or is none, is no vector.
func TestClient_BelievesNoOtherModel(t *testing.T) {
	space := jobspec.Space{Digest: "digest", Dimensions: 2, Texts: true}
	for name, answer := range map[string]any{
		"another model": jobspec.EmbedAnswer{Digest: "other", Vector: jobspec.NewVector([]float32{1, 0})},
		"too short":     jobspec.EmbedAnswer{Digest: "digest", Vector: jobspec.NewVector([]float32{1})},
		"cut off":       jobspec.EmbedAnswer{Digest: "digest", Vector: make([]byte, 7)},
		"no answer":     []int{1},
	} {
		c, err := embedding.New(embedding.Config{
			Cache: cache.NewMemory(1 << 20), Deadline: ample,
			Bundles: func(context.Context) ([]jobspec.Bundle, error) {
				return []jobspec.Bundle{{Kind: jobspec.KindEmbed, Space: &space}}, nil
			},
			Ask: func(context.Context, string, any) (json.RawMessage, error) { return json.Marshal(answer) },
		})
		require.NoError(t, err)
		_, err = c.Text(t.Context(), "", "a")
		assert.ErrorIs(t, err, embedding.ErrFailed, name)
	}
	_, err := embedding.New(embedding.Config{})
	assert.Error(t, err)
}

// Models are in one order everywhere, each once.
func TestClient_ModelsHaveAnOrder(t *testing.T) {
	b := setup(t)
	bundle := func(name, digest string, pictures bool) jobspec.Bundle {
		return jobspec.Bundle{Name: name, Kind: jobspec.KindEmbed, Space: &jobspec.Space{Digest: digest, Dimensions: 2, Texts: true, Pictures: pictures}}
	}
	b.bundles = []jobspec.Bundle{
		bundle("b", "1", false), bundle("z", "2", true), {Name: "t", Kind: jobspec.KindTranslate}, bundle("a", "4", false), bundle("a", "3", false), bundle("z", "2", true),
	}
	models, err := b.client(0).Models(t.Context())
	require.NoError(t, err)
	var order []string
	for _, m := range models {
		order = append(order, m.Name+m.Digest)
	}
	assert.Equal(t, []string{"z2", "a3", "a4", "b1"}, order)
}

// A lost cache costs requests, no vectors.
func TestClient_ALostCacheLosesNothing(t *testing.T) {
	b := setup(t)
	server := testkit.RedisServer(t)
	redis, err := cache.OpenRedis(t.Context(), server.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = redis.Close() })
	b.cache = redis
	b.work(worker.Config{}, "random", "clip-random")
	c := b.client(0)
	first, err := c.Text(t.Context(), "", "apple")
	require.NoError(t, err)
	kept, err := c.Text(t.Context(), "", "apple")
	require.NoError(t, err)
	assert.Equal(t, first, kept, "through Redis, to the last bit")
	assert.Equal(t, int64(1), b.asked.Load())
	require.NoError(t, server.Kill())
	again, err := c.Text(t.Context(), "", "apple")
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.Equal(t, int64(2), b.asked.Load())
}

// Every call is told of, with how it ended.
func TestClient_TellsHowCallsEnd(t *testing.T) {
	var outcomes []embedding.Outcome
	space := jobspec.Space{Digest: "d", Dimensions: 1, Texts: true}
	vector, err := json.Marshal(jobspec.EmbedAnswer{Digest: "d", Vector: jobspec.NewVector([]float32{1})})
	require.NoError(t, err)
	wait := func(ctx context.Context) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	answers := map[string]func(ctx context.Context) (json.RawMessage, error){
		"a": func(context.Context) (json.RawMessage, error) { return vector, nil },
		"b": func(context.Context) (json.RawMessage, error) { return nil, jobspec.ErrNoWorker },
		"c": wait,
		"d": func(context.Context) (json.RawMessage, error) {
			return nil, &jobspec.Failure{Code: jobspec.CodeOverloaded}
		},
		"e": func(context.Context) (json.RawMessage, error) { return nil, errors.New("broken") },
		"f": wait,
	}
	c, err := embedding.New(embedding.Config{
		Cache: cache.NewMemory(1 << 20), Deadline: 50 * time.Millisecond,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) {
			return []jobspec.Bundle{{Kind: jobspec.KindEmbed, Space: &space}}, nil
		},
		Ask: func(ctx context.Context, _ string, payload any) (json.RawMessage, error) {
			return answers[payload.(jobspec.EmbedQuery).Text](ctx)
		},
		Observe: func(_ embedding.Kind, o embedding.Outcome, _ time.Duration) { outcomes = append(outcomes, o) },
	})
	require.NoError(t, err)
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, text := range []string{"a", "A", "", "b", "c", "d", "e"} {
		_, _ = c.Text(t.Context(), "", text)
	}
	_, _ = c.Text(left, "", "f")
	assert.Equal(t, []embedding.Outcome{
		embedding.Asked, embedding.Cached, embedding.Invalid, embedding.NoWorker, embedding.Late, embedding.Overloaded, embedding.Failed, embedding.Left,
	}, outcomes)
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Red  Apple": "red apple", "ＡＢＣ": "abc", "Straße": "strasse", "ΣΊΣΥΦΟΣ": "σίσυφοσ", "ﬁne": "fine", "e\u0301": "é",
		"\u00a0a\u2003b\u00a0": "a b", "": "", "\u200b": "\u200b", "İ": "i̇",
	} {
		assert.Equal(t, want, embedding.Normalize(text), "%q", text)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"Red  Apple", "Straße", "\u0345\u0301", "İ", "\ufdfa", "ᾼ\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		once := embedding.Normalize(text)
		assert.True(t, utf8.ValidString(once))
		assert.Equal(t, once, embedding.Normalize(once), "%q", text)
	})
}
