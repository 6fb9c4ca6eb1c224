package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheClientReadsAnswersWithALengthAndInChunks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer token" || r.URL.Path != "/graphql" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if string(body) == "long" { // without a length, so in chunks
			_, _ = io.WriteString(w, long[:4000])
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, long[4000:])
			return
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	c, err := dial(t.Context(), strings.TrimPrefix(server.URL, "http://"), "token")
	require.NoError(t, err)
	defer c.close()
	for _, body := range []string{"short", "long", "short again"} {
		want := body
		if body == "long" {
			want = long
		}
		got, err := c.do([]byte(body))
		assert.NoError(t, err, "%s: got %d bytes", body, len(got))
		assert.Equal(t, want, string(got), "%s: got %d bytes", body, len(got))
	}
	_, err = c.do([]byte(`{"errors":[]}`))
	assert.Error(t, err, "an answer with errors must fail")
}

func TestARowIsTheMedianOfItsRuns(t *testing.T) {
	t.Parallel()
	w := row{goal: "3/s", least: 3, runs: []sample{
		{ops: 10, took: time.Second, p99: 7}, {ops: 2, took: time.Second, p99: 9}, {ops: 4, took: time.Second, p99: 8},
	}}
	assert.True(t, w.rate() == 4 && w.p99() == 8 && w.reached() == "yes", "got %v/s, p99 %v, reached %q", w.rate(), w.p99(), w.reached())
	assert.Equal(t, time.Duration(4), quantile([]time.Duration{1, 2, 3, 4}, 0.99), "p99 of 1 to 4")
}
