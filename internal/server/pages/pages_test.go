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

	"parley/internal/jobspec"
)

func newServer(t *testing.T, status Status) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	if err := Register(mux, func(context.Context) Status { return status }); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
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
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, "style-src 'sha256-") || strings.Contains(got, "unsafe") {
		t.Errorf("policy %q", got)
	}
	if strings.Contains(body, "ZgotmplZ") {
		t.Error("the template refused a value")
	}
	if response, _ := get(t, server.URL+"/nothing-here"); response.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown page gave %d", response.StatusCode)
	}
}

func TestStartPageWithoutWorkersSaysThatJobsWait(t *testing.T) {
	t.Parallel()
	_, body := get(t, newServer(t, Status{}).URL+"/")
	if !strings.Contains(body, "Jobs are kept and wait for one") {
		t.Error("the page does not say what happens without a worker")
	}
}

func TestGraphiQLComesWholeFromTheBinary(t *testing.T) {
	t.Parallel()
	server := newServer(t, Status{})
	response, page := get(t, server.URL+"/graphiql")
	if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("the page: %d, %v", response.StatusCode, response.Header)
	}
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
	if assets < 2 {
		t.Errorf("the page has %d assets; want a script and a style sheet", assets)
	}
	if policy := response.Header.Get("Content-Security-Policy"); strings.Contains(policy, "http") || strings.Contains(policy, "unsafe-eval") {
		t.Errorf("policy %q allows more than this server", policy)
	}
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
		if response, _ := get(t, server.URL+path); response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}

func TestAssetsAreCompressedAndRevalidated(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("parley ", 1000)
	assets, err := loadAssets(fstest.MapFS{"assets/a.js": {Data: []byte(content)}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(graphiql(assets))
	defer server.Close()
	url := server.URL + "/graphiql/assets/a.js"

	response, body := get(t, url, "Accept-Encoding", "br, gzip")
	if response.Header.Get("Content-Encoding") != "gzip" || response.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Fatalf("headers %v", response.Header)
	}
	unzipped, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(unzipped); err != nil || string(got) != content {
		t.Errorf("the compressed asset differs: %v", err)
	}
	for _, refusal := range []string{"identity", "gzip;q=0", "gzip;q=0.0", "br"} {
		if response, body := get(t, url, "Accept-Encoding", refusal); response.Header.Get("Content-Encoding") != "" || body != content {
			t.Errorf("with Accept-Encoding %q it came encoded", refusal)
		}
	}
	if response, body := get(t, url, "If-None-Match", response.Header.Get("ETag")); response.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("revalidation gave %d", response.StatusCode)
	}
}
