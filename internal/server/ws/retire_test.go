package ws_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// A client that asked for something knows what became of it when the server
// restarts, and nothing new is begun that might be cut short.
func TestDrainLetsQueriesAndMutationsAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	c.subscribe("asked", "{ waits }", "")
	require.Equal(t, "query", receive(t, b.started))
	c.subscribe("stream", "subscription { idle }", "")
	require.Equal(t, "subscription", receive(t, b.started))
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- b.transport.CloseAll(ctx, ws.CloseRestart, "Service restart", 0)
	}()
	// A client that has something to come hears nothing of the drain before that.
	require.Eventually(t, b.transport.Draining, patience, time.Millisecond)
	c.subscribe("late", "mutation { bump(by: 1) }", "")
	c.silent()
	<-b.schema.release
	require.JSONEq(t, `{"data":{"waits":null}}`, string(c.expect("next", "asked").Payload))
	c.expect("complete", "asked")
	code, _ := c.closes()
	require.Equal(t, ws.CloseRestart, code)
	require.NoError(t, receive(t, drained))
	require.Empty(t, b.started, "what came late was not begun")
}

func TestDrainDoesNotWaitForLong(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	c.subscribe("asked", "{ waits }", "")
	receive(t, b.started)
	receive(t, b.opened)
	go func() { _ = b.transport.CloseAll(context.Background(), ws.CloseRestart, "", 0) }()
	code, _ := c.closes()
	require.Equal(t, ws.CloseRestart, code)
	<-b.schema.release
}
