package ws_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// thin opens a socket with one idle subscription by hand, so that the client's
// half costs next to nothing in the process that is measured.
func thin(tb testing.TB, address string) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(tb, err)
	request := "GET /graphql HTTP/1.1\r\nHost: " + address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + ws.Protocol + "\r\n\r\n"
	_, err = io.WriteString(conn, request)
	require.NoError(tb, err)
	reader := bufio.NewReaderSize(conn, 1<<10)
	resp, err := http.ReadResponse(reader, nil)
	require.NoError(tb, err)
	require.NoError(tb, resp.Body.Close())
	require.Equal(tb, http.StatusSwitchingProtocols, resp.StatusCode)
	for _, message := range []string{hello, op("c56a4180-65aa-42ec-a945-5fd21dec0538", "subscription { idle }")} {
		frame := []byte{0x81, 0x80 | 126}
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(message)))
		frame = append(frame, 0, 0, 0, 0) // a mask that changes nothing
		_, err = conn.Write(append(frame, message...))
		require.NoError(tb, err)
	}
	ack := make([]byte, len("\x81\x19")+len(`{"type":"connection_ack"}`))
	_, err = io.ReadFull(reader, ack)
	require.NoError(tb, err)
	return conn
}

// idleCost gives bytes of heap and stacks, and goroutines, per idle
// subscription on a socket of its own, the client's connection included.
func idleCost(tb testing.TB, n int) (heap, stacks, goroutines float64) {
	tb.Helper()
	b := setup(tb, ws.Config{})
	address := strings.TrimPrefix(b.server.URL, "http://")
	measure := func() (m runtime.MemStats, g int) {
		for range 5 { // stacks shrink by half in each
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m, runtime.NumGoroutine()
	}
	conns := make([]net.Conn, 0, n)
	before, first := measure()
	for range n {
		conns = append(conns, thin(tb, address))
		receive(tb, b.started)
		receive(tb, b.opened)
	}
	after, last := measure()
	for _, conn := range conns {
		require.NoError(tb, conn.Close())
	}
	per := func(a, b uint64) float64 { return float64(int64(b)-int64(a)) / float64(n) }
	return per(before.HeapAlloc, after.HeapAlloc), per(before.StackInuse, after.StackInuse), float64(last-first) / float64(n)
}

func TestAnIdleSubscriptionIsCheap(t *testing.T) {
	heap, stacks, goroutines := idleCost(t, 300)
	t.Logf("per idle subscription: heap %.0f B, stacks %.0f B, goroutines %.2f", heap, stacks, goroutines)
	require.LessOrEqual(t, goroutines, 2.02)
	if !raceEnabled {
		require.Less(t, heap+stacks, 20_000.0)
	}
}

// BenchmarkIdleSubscription reports what one of many idle sockets costs.
func BenchmarkIdleSubscription(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				heap, stacks, goroutines := idleCost(b, n)
				b.ReportMetric(heap+stacks, "B/sub")
				b.ReportMetric(heap, "heapB/sub")
				b.ReportMetric(stacks, "stackB/sub")
				b.ReportMetric(goroutines, "goroutines/sub")
			}
		})
	}
}
