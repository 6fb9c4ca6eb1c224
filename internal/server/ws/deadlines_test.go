package ws_test

import (
	"context"
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

func TestAnyMessageIsASignOfLife(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{PingInterval: time.Millisecond, PongTimeout: 300 * time.Millisecond})
	c := b.ready(t)
	for range 5 {
		require.Nil(t, c.expect("ping", "").Payload, "nothing is to be confirmed")
		c.send(`{"type":"pong"}`)
	}
	c.expect("ping", "")
	c.send(`{"type":"ping"}`)
	c.expect("pong", "")
	c.expect("ping", "")
}

func TestExpiryWarnsThenClosesWith4403(t *testing.T) {
	t.Parallel()
	told := make(chan time.Time, 1)
	b := setup(t, ws.Config{
		Expiring: func(_ *ws.Conn, at time.Time) { told <- at },
		Init: func(ctx context.Context, _ ws.InitPayload) (context.Context, map[string]any, error) {
			c, _ := ws.FromContext(ctx)
			c.SetExpiry(time.Now().Add(500 * time.Millisecond))
			return ctx, nil, nil
		},
	})
	c := b.ready(t)
	handle := receive(t, b.opened)
	want := `{"sessionExpiring":{"expiresAt":"` + handle.Expiry().UTC().Format(time.RFC3339) + `"}}`
	require.JSONEq(t, want, string(c.expect("ping", "").Payload))
	require.True(t, handle.Expiry().Equal(receive(t, told)))
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
