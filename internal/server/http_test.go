package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/server"
	"parley/schema"
)

const asJSON = "application/json"

func TestPostAnswersByGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	for name, r := range map[string]struct {
		body, accept string
		status       int
		code         string
	}{
		"a query":                     {`{"query":"{__typename}"}`, "", 200, ""},
		"a query, new type":           {`{"query":"{__typename}"}`, "application/graphql-response+json", 200, ""},
		"invalid":                     {`{"query":"{nothing}"}`, "", 200, "BAD_INPUT"},
		"invalid, new type":           {`{"query":"{nothing}"}`, "application/graphql-response+json, application/json", 400, "BAD_INPUT"},
		"not parseable":               {`{"query":"{"}`, "application/graphql-response+json", 400, "BAD_INPUT"},
		"no query":                    {`{}`, "", 400, "BAD_INPUT"},
		"no JSON":                     {`{__typename}`, "", 400, "BAD_INPUT"},
		"two values":                  {`{"query":"{__typename}"} {}`, "", 400, "BAD_INPUT"},
		"a batch":                     {`[{"query":"{__typename}"}]`, "", 400, "BAD_INPUT"},
		"a number as query":           {`{"query":1}`, "", 400, "BAD_INPUT"},
		"variables that are a list":   {`{"query":"{__typename}","variables":[]}`, "", 400, "BAD_INPUT"},
		"an unknown operation":        {`{"query":"query A{__typename}","operationName":"B"}`, "", 200, "BAD_INPUT"},
		"a subscription":              {`{"query":"subscription{events{cursor}}"}`, "", 400, "BAD_INPUT"},
		"an unused variable's value":  {`{"query":"{__typename}","variables":{"x":1}}`, "", 200, ""},
		"extensions that we ignore":   {`{"query":"{__typename}","extensions":{"x":1}}`, "", 200, ""},
		"a media type with a charset": {`{"query":"{__typename}"}`, "text/html, */*;q=0.1", 200, ""},
	} {
		got := request(t, c, http.MethodPost, "/graphql", r.body, "Content-Type", asJSON, "Accept", r.accept)
		wantCode(t, name, got, r.status, r.code)
		if r.code != "" && strings.Contains(string(got.Body), `"data"`) {
			t.Errorf("%s: what was not executed has data: %s", name, got.Body)
		}
	}
}

func TestGetRunsQueriesAndNoMutations(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	get := func(query string) string { return "/graphql?query=" + url.QueryEscape(query) }
	wantCode(t, "a query", request(t, c, http.MethodGet, get("{__typename}"), ""), 200, "")
	wantCode(t, "variables", request(t, c, http.MethodGet, get("query($x:Boolean!){__typename @include(if:$x)}")+"&variables="+url.QueryEscape(`{"x":true}`), ""), 200, "")
	wantCode(t, "bad variables", request(t, c, http.MethodGet, get("{__typename}")+"&variables=x", ""), 400, "BAD_INPUT")
	wantCode(t, "bad escapes", request(t, c, http.MethodGet, "/graphql?query=%zz", ""), 400, "BAD_INPUT")
	wantCode(t, "nothing", request(t, c, http.MethodGet, "/graphql", ""), 400, "BAD_INPUT")
	mutation := request(t, c, http.MethodGet, get("mutation{signOut{clientMutationId}}"), "")
	wantCode(t, "a mutation", mutation, 405, "BAD_INPUT")
	assert.Equal(t, "POST", mutation.Header.Get("Allow"), "a refused mutation")
}

// A page of another site may send these types without asking first.
func TestTypesThatNeedNoPreflightAreRefused(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "nonsense/"} {
		wantCode(t, kind, request(t, c, http.MethodPost, "/graphql", `{"query":"{__typename}"}`, "Content-Type", kind), 415, "BAD_INPUT")
	}
	for _, method := range []string{http.MethodPatch, "SEARCH"} {
		got := request(t, c, method, "/graphql", "")
		wantCode(t, method, got, 405, "BAD_INPUT")
		assert.NotEmpty(t, got.Header.Get("Allow"), "%s: no Allow header", method)
	}
}

func TestABodyThatIsTooLongIsTooLarge(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	long := `{"query":"{__typename}","variables":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`
	wantCode(t, "with its length", request(t, c, http.MethodPost, "/graphql", long, "Content-Type", asJSON), 413, "TOO_LARGE")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/graphql", io.MultiReader(strings.NewReader(long)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", asJSON)
	got, err := c.Send(r) // in chunks, because nobody knows how long it is
	require.NoError(t, err)
	wantCode(t, "in chunks", got, 413, "TOO_LARGE")
}

func TestCORSAllowsTheListedOriginsOnly(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	for origin, allowed := range map[string]bool{
		"https://app.example.com": true, "https://app.example.com.evil.org": false, "http://app.example.com": false,
		"https://evil.org": false, "null": false, c.URL: true,
	} {
		pre := request(t, c, http.MethodOptions, "/graphql", "", "Origin", origin,
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		real := request(t, c, http.MethodPost, "/graphql", `{"query":"{__typename}"}`, "Content-Type", asJSON, "Origin", origin)
		for _, r := range []http.Header{pre.Header, real.Header} {
			got := r.Get("Access-Control-Allow-Origin")
			assert.Equal(t, allowed, got == origin, "%s: allowed", origin)
			assert.NotEqual(t, "*", got, "%s: allowed", origin)
			assert.Contains(t, strings.Join(r.Values("Vary"), ","), "Origin", "%s: caches are not told that the answer varies", origin)
		}
		got := pre.Header.Get("Access-Control-Allow-Headers")
		assert.False(t, allowed && got != "authorization,content-type", "%s may send the headers %q", origin, got)
		assert.Equal(t, http.StatusNoContent, pre.Status, "%s: the preflight", origin)
	}
}

func TestSocketsOfForeignOriginsAreRefused(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	for origin, allowed := range map[string]bool{"https://app.example.com": true, "https://evil.org": false, c.URL: true, "": true} {
		dial := *c
		dial.Header = http.Header{}
		if origin != "" {
			dial.Header.Set("Origin", origin)
		}
		s, err := dial.Dial(t.Context())
		switch {
		case allowed && err != nil:
			t.Errorf("%s: %v", origin, err)
		case allowed:
			s.Close()
		case err == nil || !strings.Contains(err.Error(), "403"):
			t.Errorf("%s: %v, want status 403", origin, err)
		}
	}
}

func TestASocketWithABadTokenIsClosedAsForbidden(t *testing.T) {
	t.Parallel()
	_, err := run(t, nil).As("nonsense").Dial(t.Context())
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed, "want 4403")
	assert.Equal(t, 4403, closed.Code, "want 4403")
}

func TestHealthReadinessAndSchema(t *testing.T) {
	t.Parallel()
	sick := errors.New("the database is gone")
	ready := make(chan error, 1)
	c := run(t, func(cfg *server.Config) {
		cfg.Ready = func(context.Context) error { return <-ready }
	})
	text := func(path string) (int, string) {
		r := request(t, c, http.MethodGet, path, "")
		return r.Status, string(r.Body)
	}
	status, body := text("/healthz")
	assert.Equal(t, 200, status, "/healthz")
	assert.Equal(t, "ok\n", body, "/healthz")
	ready <- nil
	status, body = text("/readyz")
	assert.Equal(t, 200, status, "/readyz")
	assert.Equal(t, "ready\n", body, "/readyz")
	ready <- sick
	status, body = text("/readyz")
	assert.Equal(t, 503, status, "/readyz of a sick server")
	assert.Equal(t, "not ready\n", body, "/readyz of a sick server")
	status, body = text("/schema.graphql")
	assert.Equal(t, 200, status, "/schema.graphql, %d bytes", len(body))
	assert.Equal(t, schema.SDL(), body, "/schema.graphql, %d bytes", len(body))
}

func TestAPortInUseIsSaidInASentence(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	address := strings.TrimPrefix(c.URL, "http://")
	_, err := server.New(t.Context(), server.Config{Listen: address, Metrics: http.NotFoundHandler()})
	require.Error(t, err)
	assert.Equal(t, address+" is in use by another program: stop it, or choose another address with --listen", err.Error())
}
