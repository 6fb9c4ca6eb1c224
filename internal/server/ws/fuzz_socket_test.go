package ws_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// FuzzSocket sends lines as frames, the first byte of each choosing which, and
// then ends its direction. What comes back must be frames and messages that a
// server may send at that moment, at most one close frame, as the last, and a
// code that blames the client; operations and socket end.
func FuzzSocket(f *testing.F) {
	const start, idle = "t" + hello + "\n", `{"type":"subscribe","id":"1","payload":{"query":"subscription{idle}"}}`
	for _, seed := range []string{
		start + `t{"type":"subscribe","id":"1","payload":{"query":"{hello}"}}`,
		start + "t" + idle + "\n" + `b{"type":"complete","id":"1"}` + "\nt" + idle + "\nt" + idle,
		start + "T" + idle[:20] + "\npx\nC" + idle[20:30] + "\noy\nc" + idle[30:] + "\nx\x03\xe8bye",
		start + `t{"type":"subscribe","id":"é","payload":{"query":"subscription{breaks(after:3)}"}}` + "\n" + start,
		`t{"type":"ping","payload":{"a":1}}` + "\n" + `t{"type":"pong"}` + "\nt[]",
		"r\x81\x00\np\nt{}", "r\xff\xff\xff\xff", "r\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "u{}", "B\xff\nc\xfe", "x", "x\x03", "x\x0f\xa1\xff",
		"T{\nt{}", "c", "t" + strings.Repeat(" ", 5000),
	} {
		f.Add([]byte(seed))
	}
	b := setup(f, ws.Config{MaxMessage: 4 << 10, InitTimeout: time.Minute})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := b.tcp(t)
		free := false // the client may have sent a close frame, with any code
		for i, line := range bytes.Split(data, []byte("\n")) {
			if len(line) > 0 && i <= 20 {
				frame, closes := fuzzFrame(line[0], string(line[1:]))
				c.send(frame)
				free = free || closes
			}
		}
		_ = c.conn.CloseWrite()
		checkServer(t, c.rest())
		code := receive(t, b.closed)
		blamed := slices.Contains([]int{
			websocket.CloseAbnormalClosure, ws.CloseProtocolError, ws.CloseInvalidText, ws.CloseTooBig,
			ws.CloseBadRequest, ws.CloseUnauthorized, ws.CloseTooManyInits, ws.CloseDuplicateID,
		}, code)
		require.False(t, !blamed && (!free || code < 1000), "closed with %d", code)
	})
}

// fuzzFrame gives the frame that a letter stands for, and whether it may be a
// close frame.
func fuzzFrame(kind byte, payload string) (frame []byte, closes bool) {
	firsts := map[byte]byte{
		't': fin | opText, 'T': opText, 'b': fin | opBinary, 'B': opBinary, 'c': fin | opMore, 'C': opMore,
		'p': fin | opPing, 'o': fin | opPong, 'x': fin | opClose,
	}
	switch first, ok := firsts[kind]; {
	case ok:
		return masked(first, payload), kind == 'x'
	case kind == 'u':
		return unmasked(fin|opText, payload), false
	case kind == 'r':
		return []byte(payload), true
	default:
		return masked(kind, payload), kind&0x0F == opClose
	}
}

// checkServer reads what the server sent, as tcp.rest gives it.
func checkServer(t *testing.T, frames []string) {
	t.Helper()
	acked := false
	for i, one := range frames {
		kind, payload, _ := strings.Cut(one, " ")
		if kind == "close" {
			require.Equal(t, len(frames)-1, i, "closed by %q", frames)
			require.NotEqual(t, "4500", payload, "closed by %q", frames)
			continue
		}
		if kind == "pong" {
			continue
		}
		var m frame
		require.NoError(t, json.Unmarshal([]byte(payload), &m), "the server sent %q", one)
		require.Equal(t, "text", kind, "the server sent %q", one)
		switch m.Type {
		case "connection_ack":
			require.False(t, acked, "acknowledged twice: %q", frames)
			acked = true
		case "pong":
		case "next", "error", "complete":
			require.True(t, acked, "the server sent %q in %q", one, frames)
			require.NotEmpty(t, m.ID, "the server sent %q in %q", one, frames)
		default:
			t.Fatalf("the server sent %q", one)
		}
	}
}
