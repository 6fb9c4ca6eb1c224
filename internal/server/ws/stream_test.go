package ws_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// BenchmarkStream measures one event from resolver to client on one socket.
func BenchmarkStream(b *testing.B) {
	c := setup(b, ws.Config{}).ready(b)
	b.ReportAllocs()
	b.ResetTimer()
	c.subscribe("1", fmt.Sprintf("subscription { count(to: %d) }", b.N), "")
	for range b.N {
		_, _, err := c.conn.ReadMessage()
		require.NoError(b, err)
	}
}
