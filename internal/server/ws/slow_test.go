package ws_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// narrow makes the client's kernel take few bytes ahead of its program.
func narrow(bytes int) *websocket.Dialer {
	d := dialer()
	d.NetDial = func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(bytes)
		}
		return conn, err
	}
	return d
}

func stall(t *testing.T, b *bundle, d *websocket.Dialer) *client {
	t.Helper()
	c := connect(t, b.url(), d, nil)
	c.send(`{"type":"connection_init"}`)
	c.expect("connection_ack", "")
	c.subscribe("1", "subscription { flood(bytes: 100000) }", "")
	receive(t, b.started)
	return c
}

func TestAStuckReaderIsCutOffAndNobodyElseWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{WriteTimeout: 100 * time.Millisecond})
	healthy := b.ready(t)
	healthy.subscribe("1", "subscription { feed }", "")
	receive(t, b.started)
	var stuck []*client
	for range 5 {
		stuck = append(stuck, stall(t, b, narrow(4<<10)))
	}
	for range 5 {
		b.schema.feed <- "on"
		healthy.expect("next", "1")
		receive(t, b.overflow)
		require.Equal(t, ws.CloseTryAgain, receive(t, b.closed))
		receive(t, b.ended)
	}
	healthy.silent()
	code, _ := stuck[0].closes()
	require.Equal(t, websocket.CloseAbnormalClosure, code)
}

func TestAStuckReaderIsCutOffBelowTLSToo(t *testing.T) {
	t.Parallel()
	b := setupOn(t, ws.Config{WriteTimeout: 100 * time.Millisecond}, httptest.NewTLSServer)
	d := narrow(4 << 10)
	d.TLSClientConfig = b.server.Client().Transport.(*http.Transport).TLSClientConfig
	stall(t, b, d)
	receive(t, b.overflow)
	require.Equal(t, ws.CloseTryAgain, receive(t, b.closed))
}

func TestASlowReaderThatGoesOnReadingStays(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{WriteTimeout: 700 * time.Millisecond})
	c := connect(t, b.url(), narrow(64<<10), nil)
	c.send(`{"type":"connection_init"}`)
	c.expect("connection_ack", "")
	const size = 3 << 20
	c.subscribe("1", "subscription { flood(bytes: 3145728) }", "")
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	_, reader, err := c.conn.NextReader()
	require.NoError(t, err)
	start := time.Now()
	pace := time.NewTicker(15 * time.Millisecond)
	defer pace.Stop()
	total := int64(0)
	for {
		n, err := io.CopyN(io.Discard, reader, 32<<10)
		total += n
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		<-pace.C
	}
	require.Greater(t, total, int64(size))
	require.Greater(t, time.Since(start), 700*time.Millisecond, "not slow enough to prove anything")
	require.Empty(t, b.overflow)
}

func TestClosingDoesNotWaitForAStuckReader(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{WriteTimeout: 200 * time.Millisecond})
	stall(t, b, narrow(4<<10))
	handle := receive(t, b.opened)
	handle.Close(ws.CloseForbidden, "Forbidden")
	receive(t, b.ended)
	require.Contains(t, []int{ws.CloseForbidden, ws.CloseTryAgain}, receive(t, b.closed))
}
