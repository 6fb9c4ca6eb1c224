package ws_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// The official client repeats a ping's payload in its pong by itself, and loses
// no word of it: what the server writes there comes back.
func TestOracleClientAnswersPings(t *testing.T) {
	b := setup(t, ws.Config{})
	lines := script(t, "client.mjs", b.url())
	expect := func(want string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(line))
	}
	expect("connected")
	c := receive(t, b.opened)
	receive(t, b.started)
	for payload, want := range map[string]map[string]any{
		`{"received":9007199254740991}`:                  {"received": int64(1)<<53 - 1},
		`{"a":["é😀",null,{"b":true}],"ev_1":"x\n\"y\""}`: {"a": []any{"é😀", nil, map[string]any{"b": true}}, "ev_1": "x\n\"y\""},
		`{}`:        {},
		`undefined`: nil,
	} {
		require.NoError(t, c.Ping(want))
		expect("ponged " + payload)
	}
	b.schema.feed <- "and goes on"
	expect("next and goes on")
}
