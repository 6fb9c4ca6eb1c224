package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/graph"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/server"
	"parley/internal/server/pages"
)

const key = "a signing key for the tests of the server"

// run starts a server without services: what reaches a resolver that needs one
// panics, which is itself tested.
func run(t *testing.T, change func(c *server.Config)) *gqlclient.Client {
	t.Helper()
	return &gqlclient.Client{URL: "http://" + serve(t, change).Addr()}
}

func serve(t *testing.T, change func(c *server.Config)) *server.Server {
	t.Helper()
	tokens, err := auth.NewTokens([]byte(key), time.Hour)
	require.NoError(t, err)
	cfg := server.Config{
		Listen: "127.0.0.1:0", Origins: config.Origins{"https://app.example.com"}, Introspection: true,
		Resolver: &graph.Resolver{}, Metrics: http.NotFoundHandler(), Grace: time.Second,
		Status: func(context.Context) pages.Status { return pages.Status{} },
		Ready:  func(context.Context) error { return nil },
		Verify: func(_ context.Context, token string) (auth.Viewer, error) {
			v, _, err := tokens.Verify(token)
			return v, err
		},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- s.Sockets.Run(ctx) }()
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			assert.NoError(t, <-ended, "the server")
		}
	})
	return s
}

// token is a valid access token of a user whom nobody knows.
func token(t *testing.T) string {
	t.Helper()
	tokens, err := auth.NewTokens([]byte(key), time.Hour)
	require.NoError(t, err)
	signed, _, err := tokens.Issue(auth.Viewer{ID: "user_01M7YN3J462RR16JDN967M2GM8", Role: auth.RoleUser, Session: "sess"})
	require.NoError(t, err)
	return signed
}

// request sends one request and gives the answer.
func request(t *testing.T, c *gqlclient.Client, method, path, body string, header ...string) *gqlclient.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	got, err := c.Send(r)
	require.NoError(t, err)
	return got
}

func post(t *testing.T, c *gqlclient.Client, query string, vars gqlclient.Vars) *gqlclient.Response {
	t.Helper()
	got, err := c.Do(t.Context(), query, vars)
	require.NoError(t, err)
	return got
}

func wantCode(t *testing.T, what string, r *gqlclient.Response, status int, code string) {
	t.Helper()
	assert.Equal(t, status, r.Status, "%s: status %d, code %q, want %d, %q: %s", what, r.Status, r.Code(), status, code, r.Body)
	assert.Equal(t, code, r.Code(), "%s: status %d, code %q, want %d, %q: %s", what, r.Status, r.Code(), status, code, r.Body)
}
