package sse_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/sse"
)

// These count the goroutines of the process, so they are not parallel.

// few waits until there are at most so many goroutines, give or take those that
// waiting itself takes. The runtime tells nobody when one ends.
func few(t testing.TB, goroutines int) {
	t.Helper()
	var got int
	require.Eventually(t, func() bool { got = runtime.NumGoroutine(); return got <= goroutines+10 },
		patience, time.Millisecond, "more than %d goroutines", goroutines)
}

func TestAnIdleOperationOnASharedStreamTakesNoGoroutine(t *testing.T) {
	const operations = 200
	b := setup(t, sse.Config{MaxOperations: operations})
	token := b.reserve(t)
	s := b.attach(t, token)
	before := runtime.NumGoroutine()
	var pumps []*pump
	for i := range operations {
		status, answer := b.operate(t, token, fmt.Sprint(i), "subscription { announced }")
		require.Equal(t, http.StatusAccepted, status, "%s", answer)
		pumps = append(pumps, receive(t, b.schema.pumps))
	}
	few(t, before)
	for i, p := range pumps {
		p.emit(7)
		p.emit(8)
		for _, n := range []int{7, 8} {
			f := s.expect("next")
			require.JSONEq(t, fmt.Sprintf(`{"id":"%d","payload":{"data":{"announced":%d}}}`, i, n), f.data)
			require.NotEmpty(t, f.id)
		}
	}
	few(t, before)
	for i, p := range pumps {
		p.end()
		require.JSONEq(t, fmt.Sprintf(`{"id":"%d"}`, i), s.expect("complete").data)
	}
}

func TestAStreamOfItsOwnTakesTheGoroutinesOfItsRequestOnly(t *testing.T) {
	const streams = 50
	b := setup(t, sse.Config{})
	open := func(query string) (goroutines int) {
		before := runtime.NumGoroutine()
		for range streams {
			b.post(t, query)
			receive(t, b.started)
		}
		return runtime.NumGoroutine() - before
	}
	waiting := open("subscription { idle }") // one waits for each
	first := runtime.NumGoroutine()
	open("subscription { announced }")
	few(t, first+waiting-streams)
	s := b.post(t, "subscription { announced }")
	pumps := make([]*pump, streams+1) // in no order
	for i := range pumps {
		pumps[i] = receive(t, b.schema.pumps)
		pumps[i].emit(7)
	}
	require.JSONEq(t, `{"data":{"announced":7}}`, s.expect("next").data)
	for _, p := range pumps {
		p.end()
	}
	s.expect("complete")
}

func TestAnIdleStreamOfItsOwnTakesTwoGoroutines(t *testing.T) {
	const streams = 100
	b := setup(t, sse.Config{})
	address := strings.TrimPrefix(b.server.URL, "http://")
	body := `{"query":"subscription { announced }"}`
	request := "POST / HTTP/1.1\r\nHost: " + address + "\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n" +
		"Content-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
	before := runtime.NumGoroutine()
	for range streams {
		conn, err := net.Dial("tcp", address) // a client that takes none itself
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
		receive(t, b.schema.pumps)
	}
	// net/http has one that serves the connection and one that waits for its end.
	few(t, before+2*streams)
	t.Logf("goroutines per idle stream: %.2f", float64(runtime.NumGoroutine()-before)/streams)
}
