package app

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/indexing"
	"parley/internal/sticker"
	"parley/internal/sticker/demo"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// hitsIn is what a search in some language finds.
type hitsIn struct {
	SearchStickers struct {
		Nodes                       []struct{ Name string }
		Degraded                    bool
		TranslatedFrom, Translation *string
		Index                       *string
	}
}

func (f hitsIn) names() (all []string) {
	for _, n := range f.SearchStickers.Nodes {
		all = append(all, strings.TrimSuffix(n.Name, ".png"))
	}
	return all
}

func searchIn(t testing.TB, c *gqlclient.Client, query, accepts string, language any) (f hitsIn) {
	t.Helper()
	body, err := json.Marshal(gqlclient.Vars{
		"query": `query($q: String, $l: Language) { searchStickers(query: $q, language: $l, first: 10) {
			nodes { name } degraded translatedFrom translation index } }`,
		"variables": gqlclient.Vars{"q": query, "l": language},
	})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/graphql", strings.NewReader(string(body)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Language", accepts)
	got, err := c.Send(r)
	require.NoError(t, err)
	require.NoError(t, got.Err())
	require.NoError(t, json.Unmarshal(got.Data, &f))
	return f
}

// modelsIn gives a folder with some of the shared models.
func modelsIn(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		require.NoError(t, os.Symlink(testkit.Shared(t, "models", name), filepath.Join(dir, name)))
	}
	return dir
}

// some adds a part of the demo set: the named ones, and others among which they are to be
// found. It gives their number.
func (w *world) some(t testing.TB, names ...string) int {
	t.Helper()
	added, err := w.stickers.Fill(t.Context(), "some", func(yield func(sticker.Shipped, error) bool) {
		i := 0
		for one, err := range demo.Stickers() {
			if i++; (i%12 == 0 || slices.Contains(names, strings.TrimSuffix(one.Name, ".png"))) && !yield(one, err) {
				return
			}
		}
	})
	require.NoError(t, err)
	require.Greater(t, added, 100)
	return added
}

func TestQueriesInOtherLanguagesFindWhatTheyMean(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "models", modelsIn(t, "sticker-mini", "translate-mini"),
		"onnxruntime-lib", testkit.ONNX(t), "query-deadline", "20s", "search-rate", "100000")
	w.embedded(t, sticker.SourceStickers, indexing.Words, w.some(t, "dog", "red-apple", "black-cat", "cat"))
	for _, c := range []struct {
		query, accepts string
		language       any
		from, name     string
	}{
		{"perro", "", nil, "es", "dog"},
		{"perro", "es-ES,es;q=0.9,en;q=0.8", nil, "es", "dog"},
		{"manzana roja", "", nil, "es", "red-apple"},
		{"gato negro", "", nil, "es", "black-cat"},
		{"gato negro", "es", nil, "es", "black-cat"},
		{"chien", "", nil, "fr", "dog"},
		{"chien", "fr-CA", nil, "fr", "dog"},
		{"roter Apfel", "", nil, "de", "red-apple"},
		{"roter Apfel", "de-DE,de;q=0.9", nil, "de", "red-apple"},
		{"chat", "en", "fr", "fr", "cat"},
	} {
		got := searchIn(t, w.Owner, c.query, c.accepts, c.language)
		s := got.SearchStickers
		t.Logf("%s (%s): %v %v %v", c.query, c.accepts, ptr(s.TranslatedFrom), ptr(s.Translation), got.names())
		if c.accepts != "" {
			assert.Equal(t, c.from, ptr(s.TranslatedFrom), "%s (%s)", c.query, c.accepts)
		}
		assert.NotEmpty(t, ptr(s.Translation), "%s (%s)", c.query, c.accepts)
		assert.True(t, slices.Contains(got.names(), c.name), "%s (%s): %v", c.query, c.accepts, got.names())
		assert.False(t, s.Degraded, c.query)
	}
	for _, query := range []string{"red apple", "Happy Cat", "dog", "😀", "42"} {
		s := searchIn(t, w.Owner, query, "es", nil).SearchStickers
		assert.Nil(t, s.Translation, query)
		assert.Nil(t, s.TranslatedFrom, query)
		assert.False(t, s.Degraded, query)
	}
	// No worker translates from Japanese: the words are searched for as they are.
	got := searchIn(t, w.Owner, "dog", "", "ja")
	assert.True(t, got.SearchStickers.Degraded)
	assert.Nil(t, got.SearchStickers.Translation)
	assert.Contains(t, got.names(), "dog")
}

// An English word that no sticker has may be taken for one of another language, and what is
// made of it then is no word or another: what was typed is searched for as well.
func TestAnEnglishQueryThatIsWronglyTranslatedFindsItsSticker(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "models", modelsIn(t, "sticker-mini", "translate-mini"),
		"onnxruntime-lib", testkit.ONNX(t), "query-deadline", "20s", "search-rate", "100000")
	meant := map[string]string{"antarctica": "penguin", "donut": "doughnut", "bumblebee": "honeybee", "peanut": "peanuts"}
	i := 0
	added, err := w.stickers.Fill(t.Context(), "untagged", func(yield func(sticker.Shipped, error) bool) {
		for one, err := range demo.Stickers() {
			name := strings.TrimSuffix(one.Name, ".png")
			one.Tags = nil // they have these words
			if i++; (i%12 == 0 || slices.Contains(slices.Collect(maps.Values(meant)), name)) && !yield(one, err) {
				return
			}
		}
	})
	require.NoError(t, err)
	w.embedded(t, sticker.SourceStickers, indexing.Words, added)
	w.embedded(t, sticker.SourceStickers, indexing.Picture, added)
	for query, name := range meant {
		got := searchIn(t, w.Owner, query, "", nil)
		assert.NotEmpty(t, ptr(got.SearchStickers.Translation), query)
		assert.False(t, got.SearchStickers.Degraded, query)
		assert.Equal(t, name, got.names()[0], "%s, from %s: %q", query, ptr(got.SearchStickers.TranslatedFrom), ptr(got.SearchStickers.Translation))
	}
}

func TestWithoutAWorkerAQueryIsItsWords(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "query-deadline", "1s")
	w.some(t, "dog")
	require.Eventually(t, func() bool { return slices.Contains(searchIn(t, w.Owner, "dog", "", nil).names(), "dog") }, time.Minute, 20*time.Millisecond)
	begun := time.Now()
	got := searchIn(t, w.Owner, "perro dog", "es", nil)
	assert.Less(t, time.Since(begun), 10*time.Second)
	assert.True(t, got.SearchStickers.Degraded)
	assert.Nil(t, got.SearchStickers.Translation)
	assert.Contains(t, got.names(), "dog")
}

func ptr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
