package ws_test

import (
	"bytes"
	"testing"

	"github.com/gorilla/websocket"

	"parley/internal/server/ws"
)

// FuzzSocket sends lines as messages, the first byte of each choosing how, and
// demands an answer to a last ping or a close code that blames the client.
func FuzzSocket(f *testing.F) {
	for _, seed := range []string{
		"t" + `{"type":"connection_init"}` + "\nt" + `{"type":"subscribe","id":"1","payload":{"query":"{hello}"}}`,
		"t" + `{"type":"connection_init"}` + "\nt" + `{"type":"subscribe","id":"1","payload":{"query":"subscription{idle}"}}` + "\nb" + `{"type":"complete","id":"1"}`,
		"r\x81\x00\np\nt{}", "r\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	b := setup(f, ws.Config{MaxMessage: 4 << 10})
	allowed := map[int]bool{
		websocket.CloseAbnormalClosure:  true, // raw bytes may leave a frame unfinished
		websocket.CloseNoStatusReceived: true, ws.CloseProtocolError: true, ws.CloseInvalidText: true, ws.CloseTooBig: true,
		ws.CloseBadRequest: true, ws.CloseUnauthorized: true, ws.CloseTooManyInits: true, ws.CloseDuplicateID: true,
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := connect(t, b.url(), dialer(), nil)
		raw := false
		for i, line := range bytes.Split(data, []byte("\n")) {
			if len(line) == 0 || i > 20 {
				continue
			}
			switch body := line[1:]; line[0] {
			case 'r':
				raw = true
				_, _ = c.conn.NetConn().Write(body)
			case 'b':
				_ = c.conn.WriteMessage(websocket.BinaryMessage, body)
			case 'p':
				_ = c.conn.WriteMessage(websocket.PingMessage, body[:min(len(body), 125)])
			default:
				_ = c.conn.WriteMessage(websocket.TextMessage, body)
			}
		}
		if raw { // what follows would be taken for a part of an unfinished frame
			_ = c.conn.NetConn().Close()
		} else {
			_ = c.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping","payload":{"last":true}}`))
			for {
				if message, err := c.read(); err != nil || string(message.Payload) == `{"last":true}` {
					break
				}
			}
			_ = c.conn.Close()
		}
		if code := receive(t, b.closed); !allowed[code] && (!raw || code < 1000) {
			t.Fatalf("closed with %d", code)
		}
	})
}
