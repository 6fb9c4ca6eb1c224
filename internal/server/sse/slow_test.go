package sse_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/sse"
)

// narrow makes the client's kernel take few bytes ahead of its program.
func (b *bundle) narrow(bytes int) *http.Client {
	transport := b.server.Client().Transport.(*http.Transport).Clone()
	transport.ReadBufferSize = 1 << 10
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(bytes)
		}
		return conn, err
	}
	return &http.Client{Transport: transport}
}

func (b *bundle) stall(t *testing.T) *http.Response {
	t.Helper()
	client := b.server.Client()
	if b.server.TLS == nil { // HTTP/2 has windows of its own
		client = b.narrow(4 << 10)
		t.Cleanup(client.CloseIdleConnections)
	}
	resp := send(t, client, http.MethodPost, b.server.URL, request("subscription { flood(bytes: 100000) }"), header("Accept", events))
	receive(t, b.started)
	return resp
}

func TestAStuckReaderIsCutOffAndNobodyElseWaits(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(http.Handler) *httptest.Server{"HTTP/1.1": httptest.NewServer, "HTTP/2": serveHTTP2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupOn(t, sse.Config{WriteTimeout: time.Second}, serve)
			healthy := b.post(t, "subscription { feed }")
			receive(t, b.started)
			for range 2 {
				stuck := b.stall(t)
				b.schema.feed <- "on"
				healthy.expect("next")
				require.Equal(t, sse.EndOverflow, receive(t, b.closed))
				receive(t, b.overflow)
				require.False(t, receive(t, b.ended).failed)
				require.NoError(t, stuck.Body.Close())
			}
			// A stream is forgotten behind its Closed hook, when its request returns.
			require.Eventually(t, func() bool { return b.transport.Len() == 1 }, patience, time.Millisecond)
		})
	}
}

func TestASlowReaderThatGoesOnReadingStays(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{WriteTimeout: 2 * time.Second})
	client := b.narrow(64 << 10)
	t.Cleanup(client.CloseIdleConnections)
	const size = 6 << 20
	resp := send(t, client, http.MethodPost, b.server.URL, request("subscription { flood(bytes: 6291456) }"), header("Accept", events))
	start := time.Now()
	pace := time.NewTicker(15 * time.Millisecond)
	defer pace.Stop()
	for total := 0; total < size; {
		n, err := io.CopyN(io.Discard, resp.Body, 32<<10)
		require.NoError(t, err)
		total += int(n)
		<-pace.C
	}
	require.Greater(t, time.Since(start), 2*time.Second, "not slow enough to prove anything")
	require.Empty(t, b.overflow)
}

func TestClosingEndsAStuckReaderToo(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{WriteTimeout: 200 * time.Millisecond})
	b.stall(t)
	receive(t, b.opened).Close()
	receive(t, b.ended)
	require.Contains(t, []sse.End{sse.EndClosed, sse.EndOverflow}, receive(t, b.closed))
}
