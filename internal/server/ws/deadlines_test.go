package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

func TestASilentPeerIsClosedWith4408(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{PingInterval: 10 * time.Millisecond, PongTimeout: 30 * time.Millisecond})
	c := b.ready(t)
	require.Nil(t, c.expect("ping", "").Payload)
	code, reason := c.closes()
	require.Equal(t, ws.CloseTimeout, code)
	require.Equal(t, "Pong timeout", reason)
}

func TestPingsCarryAPayloadAndPongsAreReported(t *testing.T) {
	t.Parallel()
	pongs := make(chan string, 100)
	n := 0
	b := setup(t, ws.Config{
		PingInterval: time.Millisecond,
		PongTimeout:  300 * time.Millisecond,
		PingPayload:  func(*ws.Conn) map[string]any { n++; return map[string]any{"n": n} },
		Pong:         func(_ *ws.Conn, payload json.RawMessage) { pongs <- string(payload) },
	})
	c := b.ready(t)
	for i := 1; i <= 5; i++ {
		payload := string(c.expect("ping", "").Payload)
		require.JSONEq(t, fmt.Sprintf(`{"n":%d}`, i), payload)
		c.send(`{"type":"pong","payload":` + payload + `}`)
		require.JSONEq(t, payload, receive(t, pongs))
	}
	c.expect("ping", "")
	c.send(`{"type":"ping"}`) // any message is a sign of life
	c.expect("pong", "")
	c.expect("ping", "")
}

func TestExpiryWarnsThenClosesWith4403(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{Init: func(ctx context.Context, _ ws.InitPayload) (context.Context, map[string]any, error) {
		c, _ := ws.FromContext(ctx)
		c.SetExpiry(time.Now().Add(500 * time.Millisecond))
		return ctx, nil, nil
	}})
	c := b.ready(t)
	handle := receive(t, b.opened)
	want := `{"sessionExpiring":{"expiresAt":"` + handle.Expiry().UTC().Format(time.RFC3339) + `"}}`
	require.JSONEq(t, want, string(c.expect("ping", "").Payload))
	code, reason := c.closes()
	require.Equal(t, ws.CloseForbidden, code)
	require.Equal(t, "Forbidden", reason)
	require.False(t, time.Now().Before(handle.Expiry()))
	handle.SetExpiry(time.Now()) // too late, and harmless
}

func TestExpiryMayMove(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{ExpiryWarning: -1})
	c := b.ready(t)
	handle := receive(t, b.opened)
	soon := time.Now().Add(300 * time.Millisecond)
	handle.SetExpiry(soon)
	handle.SetExpiry(time.Now().Add(time.Hour))
	<-time.After(time.Until(soon.Add(20 * time.Millisecond)))
	c.silent()
	handle.SetExpiry(time.Time{})
	c.silent()
	handle.SetExpiry(time.Now().Add(-time.Second))
	code, _ := c.closes()
	require.Equal(t, ws.CloseForbidden, code)
}
