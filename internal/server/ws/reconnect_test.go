package ws_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// The official client must come back after each code that we use for what is
// not its fault, and resubscribe by itself.
func TestOracleClientReconnects(t *testing.T) {
	b := setup(t, ws.Config{})
	lines := script(t, "client.mjs", b.url())
	expect := func(want string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(line))
	}
	codes := []int{ws.CloseRestart, ws.CloseTryAgain, ws.CloseForbidden, ws.CloseTimeout, websocket.CloseAbnormalClosure, ws.CloseBadRequest}
	for i, code := range codes {
		expect("connected")
		c := receive(t, b.opened)
		receive(t, b.started)
		b.schema.feed <- fmt.Sprint(i)
		expect(fmt.Sprintf("next %d", i))
		if code == websocket.CloseAbnormalClosure { // like a stuck reader
			ws.Cut(c)
		} else {
			c.Close(code, "")
		}
		expect(fmt.Sprintf("closed %d", code))
	}
	expect(fmt.Sprintf("failed %d", ws.CloseBadRequest))
}
