package pages

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
)

func newServer(t *testing.T, status Status) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	require.NoError(t, Register(mux, func(context.Context) Status { return status }))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func TestStartPageSaysWhatRuns(t *testing.T) {
	t.Parallel()
	server := newServer(t, Status{
		Version: "v1.2.3", Mode: "serve", Database: "SQLite in <var>", NATS: "embedded", Cache: "memory", Started: time.Now(),
		Workers: []jobspec.Announcement{{Worker: "worker_1", At: time.Now(), Bundles: []jobspec.Bundle{{
			Name: "translate-mini", Kind: "translate",
			Directions: []jobspec.Direction{{Source: "en", Target: "es"}, {Source: "de", Target: "fr", Pivot: true}},
		}}}},
	})
	response, body := get(t, server.URL+"/")
	for _, want := range []string{"v1.2.3", "serve", "SQLite in &lt;var&gt;", "embedded", "memory", "worker_1", "translate-mini",
		"en &rarr; es", `title="through English">de &rarr; fr`, `href="/graphiql"`, `href="/schema.graphql"`, `href="/healthz"`, `href="/readyz"`} {
		assert.Contains(t, body, want, "the page lacks %q", want)
	}
	got := response.Header.Get("Content-Security-Policy")
	assert.Contains(t, got, "style-src 'sha256-", "policy")
	assert.NotContains(t, got, "unsafe", "policy")
	assert.NotContains(t, body, "ZgotmplZ", "the template refused a value")
	response, _ = get(t, server.URL+"/nothing-here")
	assert.Equal(t, http.StatusNotFound, response.StatusCode, "an unknown page")
}

func TestStartPageWithoutWorkersSaysThatJobsWait(t *testing.T) {
	t.Parallel()
	_, body := get(t, newServer(t, Status{}).URL+"/")
	assert.Contains(t, body, "Jobs are kept and wait for one", "the page does not say what happens without a worker")
}

func TestGraphiQLComesWholeFromTheBinary(t *testing.T) {
	t.Parallel()
	server := newServer(t, Status{})
	response, page := get(t, server.URL+"/graphiql")
	require.Equal(t, http.StatusOK, response.StatusCode, "the page, %v", response.Header)
	require.Equal(t, "no-cache", response.Header.Get("Cache-Control"), "the page, %v", response.Header)
	links := regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1)
	assets := 0
	for _, link := range links {
		switch {
		case strings.HasPrefix(link[1], "/graphiql/assets/"):
			assets++
			response, body := get(t, server.URL+link[1])
			if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d, %v", link[1], response.StatusCode, response.Header)
			}
			if strings.Contains(body, "<html") && strings.HasSuffix(link[1], ".js") {
				t.Errorf("%s is a page", link[1])
			}
		case link[1] == "/schema.graphql" || strings.HasPrefix(link[1], "data:"):
		default:
			t.Errorf("the page loads %s, which is not this server's", link[1])
		}
	}
	assert.GreaterOrEqual(t, assets, 2, "the page has %d assets; want a script and a style sheet", assets)
	policy := response.Header.Get("Content-Security-Policy")
	assert.NotContains(t, policy, "http", "policy %q allows more than this server", policy)
	assert.NotContains(t, policy, "unsafe-eval", "policy %q allows more than this server", policy)
}

func TestGraphiQLPathsThatAreNoFiles(t *testing.T) {
	t.Parallel()
	server := newServer(t, Status{})
	for path, want := range map[string]int{
		"/graphiql/":                   http.StatusMovedPermanently,
		"/graphiql/index.html":         http.StatusMovedPermanently,
		"/graphiql/assets":             http.StatusNotFound,
		"/graphiql/assets/":            http.StatusNotFound,
		"/graphiql/assets/missing.js":  http.StatusNotFound,
		"/graphiql/assets/..%2f..%2fx": http.StatusNotFound,
	} {
		response, _ := get(t, server.URL+path)
		assert.Equal(t, want, response.StatusCode, path)
	}
}

func TestAssetsAreCompressedAndRevalidated(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("parley ", 1000)
	assets, err := loadAssets(fstest.MapFS{"assets/a.js": {Data: []byte(content)}})
	require.NoError(t, err)
	server := httptest.NewServer(graphiql(assets))
	defer server.Close()
	url := server.URL + "/graphiql/assets/a.js"

	response, body := get(t, url, "Accept-Encoding", "br, gzip")
	require.Equal(t, "gzip", response.Header.Get("Content-Encoding"), "headers %v", response.Header)
	require.Equal(t, "text/javascript; charset=utf-8", response.Header.Get("Content-Type"), "headers %v", response.Header)
	unzipped, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	got, err := io.ReadAll(unzipped)
	assert.NoError(t, err, "the compressed asset differs")
	assert.Equal(t, content, string(got), "the compressed asset differs")
	for _, refusal := range []string{"identity", "gzip;q=0", "gzip;q=0.0", "br"} {
		response, body := get(t, url, "Accept-Encoding", refusal)
		assert.Empty(t, response.Header.Get("Content-Encoding"), "with Accept-Encoding %q it came encoded", refusal)
		assert.Equal(t, content, body, "with Accept-Encoding %q it came encoded", refusal)
	}
	response, body = get(t, url, "If-None-Match", response.Header.Get("ETag"))
	assert.Equal(t, http.StatusNotModified, response.StatusCode, "revalidation")
	assert.Empty(t, body, "revalidation")
}
