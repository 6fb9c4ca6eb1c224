package ws_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

func TestCloseAllDrainsInWavesAndRefusesNewSockets(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	const sockets = 40
	var group sync.WaitGroup
	for range sockets {
		c := b.ready(t)
		c.subscribe("1", "subscription { idle }", "")
		receive(t, b.started)
		group.Go(func() {
			code, reason := c.closes()
			assert.Equal(t, ws.CloseRestart, code)
			assert.Equal(t, "bye", reason)
		})
	}
	require.Equal(t, sockets, b.transport.Len())
	start := time.Now()
	require.NoError(t, b.transport.CloseAll(t.Context(), ws.CloseRestart, "bye", 300*time.Millisecond))
	require.Greater(t, time.Since(start), 100*time.Millisecond)
	require.Zero(t, b.transport.Len())
	for range sockets {
		require.Equal(t, ws.CloseRestart, receive(t, b.closed))
		require.Equal(t, "subscription", receive(t, b.ended).kind)
	}
	group.Wait()

	_, resp, err := dialer().Dial(b.url(), nil)
	require.Error(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	var body struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
	require.Equal(t, "UNAVAILABLE", body.Errors[0].Extensions.Code)
}

func TestCloseAllHurriesWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.transport.CloseAll(ctx, ws.CloseRestart, "bye", time.Hour), context.Canceled)
	code, _ := c.closes()
	require.Equal(t, ws.CloseRestart, code)
}

func TestHandleClosesOneSocket(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c, other := b.ready(t), b.ready(t)
	first := receive(t, b.opened)
	receive(t, b.opened)
	var ids []string
	b.transport.Each(func(conn *ws.Conn) { ids = append(ids, conn.ID()) })
	require.Len(t, ids, 2)
	require.NotEqual(t, ids[0], ids[1])
	require.NoError(t, first.Ping(map[string]any{"a": 1}))
	require.JSONEq(t, `{"a":1}`, string(c.expect("ping", "").Payload))
	require.Error(t, first.Ping(map[string]any{"a": func() {}}))
	first.Close(ws.CloseForbidden, "Forbidden")
	first.Close(ws.CloseInternal, "too late")
	code, _ := c.closes()
	require.Equal(t, ws.CloseForbidden, code)
	<-first.Context().Done()
	require.Error(t, first.Ping(nil))
	other.silent()
}

func TestOneSocketTooManyIsToldToComeBack(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{MaxSockets: 2})
	first := b.ready(t)
	b.ready(t)
	_, resp, err := dialer().Dial(b.url(), nil)
	require.Error(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
	require.NoError(t, first.conn.Close())
	b.forgets(t, 1)
	b.ready(t)
}

func TestThePeersCloseCodeIsReported(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	c.subscribe("1", "subscription { idle }", "")
	receive(t, b.started)
	require.NoError(t, c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4999, "mine"), time.Now().Add(patience)))
	code, _ := c.closes()
	require.Equal(t, 4999, code) // echoed
	require.Equal(t, 4999, receive(t, b.closed))
	receive(t, b.ended)

	c = b.ready(t)
	require.NoError(t, c.conn.NetConn().Close())
	require.Equal(t, websocket.CloseAbnormalClosure, receive(t, b.closed))
}

func TestRunStopsAgainAndAgain(t *testing.T) {
	t.Parallel()
	for range 20 {
		b := setup(t, ws.Config{DrainSpread: time.Millisecond})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- b.transport.Run(ctx) }()
		clients := []*client{b.ready(t), b.dial(t)}
		clients[0].subscribe("1", "subscription { idle }", "")
		cancel()
		for _, c := range clients {
			code, reason := c.closes()
			require.Equal(t, ws.CloseRestart, code)
			require.Equal(t, "Service restart", reason)
		}
		require.NoError(t, receive(t, stopped))
	}
}
