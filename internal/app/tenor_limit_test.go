package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/auth"
	"parley/internal/indexing"
	"parley/internal/sticker"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

func TestClientsOfTenorHaveTheLimitsOfSearches(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "search-rate", "3", "feedback-rate", "1")
	id := w.captioned(t, w.Admin, "PUBLIC", "a.png", "ball")
	for _, path := range []string{"search", "featured", "autocomplete"} {
		res, body := w.tenor(t, w.Machine, http.MethodGet, path, url.Values{"q": {"ball"}})
		require.Equal(t, http.StatusOK, res.StatusCode, body)
	}
	limited := func(path string, parameters url.Values) {
		res, body := w.tenor(t, w.Machine, http.MethodGet, path, parameters)
		refusedTenor(t, res, body, 429, "RESOURCE_EXHAUSTED", "RATE_LIMITED", "")
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		require.NoError(t, err)
		assert.True(t, seconds >= 1 && seconds <= 60, "%d", seconds)
	}
	for _, path := range []string{"search", "autocomplete", "search_suggestions", "featured", "categories", "trending_terms", "posts"} {
		limited(path, url.Values{"q": {"ball"}, "ids": {id}})
	}
	res, body := w.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {id}})
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	limited("registershare", url.Values{"id": {id}})
	res, body = w.tenor(t, w.key(t, auth.ScopeStickersSearch), http.MethodGet, "search", url.Values{"q": {"ball"}})
	require.Equal(t, http.StatusOK, res.StatusCode, body)
}

func TestPagesOfOtherOriginsMayAskAsClientsOfTenor(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	w.captioned(t, w.Admin, "PUBLIC", "a.png", "ball")
	ask := func(method, origin string, header ...string) (*http.Response, tenorPage) {
		r, err := http.NewRequestWithContext(t.Context(), method, w.URL+"/v2/search?q=ball&key="+w.Machine.Token, nil)
		require.NoError(t, err)
		r.Header.Set("Origin", origin)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		var got tenorPage
		if method == http.MethodGet {
			require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
		}
		return res, got
	}
	res, got := ask(http.MethodGet, "https://app.example.com", "X-Forwarded-Proto", "https")
	assert.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, res.Header.Get("Access-Control-Allow-Credentials"))
	assert.Equal(t, "https"+strings.TrimPrefix(w.URL, "http")+"/media/", got.Results[0].URL[:len(w.URL)+8])
	assert.Empty(t, res.Cookies())
	res, _ = ask(http.MethodOptions, "https://app.example.com")
	assert.Equal(t, http.StatusNoContent, res.StatusCode)
	assert.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
}

func TestALocaleOfTenorsIsTheLanguageOfTheQuery(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "models", modelsIn(t, "sticker-mini", "translate-mini"), "onnxruntime-lib", testkit.ONNX(t), "query-deadline", "20s")
	w.embedded(t, sticker.SourceStickers, indexing.Words, w.some(t, "dog", "cat", "red-apple"))
	for _, test := range []struct{ query, locale, first string }{
		{"perro", "es_ES", "dog.png"}, {"chat", "fr-CA", "cat.png"}, {"roter Apfel", "de", "red-apple.png"}, {"dog", "en_US", "dog.png"}, {"dog", "", "dog.png"},
	} {
		got := tenorOf[tenorPage](t, w, "search", "q", test.query, "locale", test.locale, "limit", "5")
		require.NotEmpty(t, got.Results)
		assert.Equal(t, test.first, got.Results[0].Title, "%+v", test)
	}
	assert.NotEqual(t, "dog.png", tenorOf[tenorPage](t, w, "search", "q", "perro", "locale", "en_US").Results[0].Title, "it is taken for English")
}
