package ws_test

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

const (
	pingMessage = `{"type":"ping","payload":{"a":"é😀"}}`
	pongMessage = `text {"type":"pong","payload":{"a":"é😀"}}`
)

// What RFC 6455 forbids fails the connection, each time with one close frame,
// and with the code that it names.
func TestBrokenFramingClosesWithItsCode(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: time.Minute, MaxMessage: 4 << 10})
	bad := map[string][]byte{
		"unmasked text":                        unmasked(fin|opText, pingMessage),
		"unmasked ping":                        unmasked(fin|opPing, "x"),
		"unmasked close":                       unmasked(fin|opClose, goodbye(1000, "")),
		"reserved bit 1":                       masked(fin|rsv1|opText, pingMessage),
		"reserved bit 2":                       masked(fin|rsv2|opText, pingMessage),
		"reserved bit 3":                       masked(fin|rsv3|opText, pingMessage),
		"all reserved bits of a ping":          masked(fin|rsv1|rsv2|rsv3|opPing, ""),
		"reserved bit of a continuation":       append(masked(opText, "{"), masked(fin|rsv1|opMore, "}")...),
		"a ping in fragments":                  append(masked(opPing, "x"), masked(fin|opMore, "y")...),
		"a pong in fragments":                  masked(opPong, "x"),
		"a close in fragments":                 masked(opClose, goodbye(1000, "")),
		"a ping of 126 bytes":                  masked(fin|opPing, strings.Repeat("x", 126)),
		"a pong of 70000 bytes":                masked(fin|opPong, strings.Repeat("x", 70_000)),
		"a close of 126 bytes":                 masked(fin|opClose, goodbye(1000, strings.Repeat("x", 124))),
		"a continuation of nothing":            masked(fin|opMore, "x"),
		"a continuation after the end":         append(masked(fin|opPong, ""), masked(opMore, "x")...),
		"a text within a text":                 append(masked(opText, "{"), masked(fin|opText, pingMessage)...),
		"a binary within a text":               append(masked(opText, "{"), masked(opBinary, "x")...),
		"a close with a reason that's no UTF8": masked(fin|opClose, goodbye(1000, "\xff")),
	}
	for _, opcode := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		bad[fmt.Sprintf("opcode %x", opcode)] = masked(fin|opcode, "")
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, math.MaxUint16} {
		bad[fmt.Sprintf("close code %d", code)] = masked(fin|opClose, goodbye(code, ""))
	}
	for name, frames := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.tcp(t)
			c.send(frames)
			require.Equal(t, []string{"close 1002"}, c.rest())
		})
	}
	for name, payload := range map[string]string{
		"a byte that never occurs": "\xff", "a continuation byte alone": "\x80", "an overlong slash": "\xc0\xaf",
		"a surrogate": "\xed\xa0\x80", "beyond Unicode": "\xf4\x90\x80\x80", "the beginning of a character": "\xe2\x82",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := `{"type":"ping","payload":{"a":"` + payload
			whole := b.tcp(t)
			whole.send(masked(fin|opText, message+`"}}`))
			require.Equal(t, []string{"close 1007"}, whole.rest())
			at := len(message) - 1 // within the character
			fragments := b.tcp(t)
			fragments.send(masked(opText, message[:at]), masked(opMore, message[at:]), masked(fin|opMore, `"}}`))
			require.Equal(t, []string{"close 1007"}, fragments.rest())
			last := b.tcp(t)
			last.send(masked(opText, ""), masked(fin|opMore, message))
			require.Equal(t, []string{"close 1007"}, last.rest())
		})
	}
}

func TestMessagesThatAreTooLongCloseWith1009(t *testing.T) {
	t.Parallel()
	const most = 4 << 10
	b := setup(t, ws.Config{InitTimeout: time.Minute, MaxMessage: most})
	long := strings.Repeat("x", most+1)
	fragment := masked(opMore, strings.Repeat("x", 100))
	for name, frames := range map[string][]byte{
		"one frame":              masked(fin|opText, long),
		"one binary frame":       masked(fin|opBinary, long),
		"two fragments":          append(masked(opText, long[:most]), masked(fin|opMore, "x")...),
		"many fragments":         append(masked(opText, ""), bytes.Repeat(fragment, most/100+1)...),
		"a gigabyte, begun":      append(promise(fin|opText, 1<<30), long...),
		"2^63-1 bytes, begun":    append(promise(fin|opText, math.MaxInt64), long...),
		"2^63-1 bytes, goes on":  append(promise(fin|opText, math.MaxInt64), strings.Repeat("x", 1<<20)...),
		"a fragment of the rest": append(masked(opText, "x"), append(promise(opMore, 1<<40), long...)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.tcp(t)
			c.send(frames)
			require.Equal(t, []string{"close 1009"}, c.rest())
		})
	}
	c := b.tcp(t)
	fits := `{"type":"ping","payload":{"a":"` + strings.Repeat("x", most-34) + `"}}`
	require.Len(t, fits, most)
	c.send(masked(fin|opText, fits))
	require.Equal(t, strings.Replace("text "+fits, "ping", "pong", 1), c.next())
}

// Lengths that no 63 bits hold can't be skipped either.
func TestImpossibleLengthsEndTheConnection(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	for name, frames := range map[string][]byte{
		"2^63":                   promise(fin|opText, 1<<63),
		"2^64-1":                 promise(fin|opBinary, math.MaxUint64),
		"2^63 in a ping":         promise(fin|opPing, 1<<63),
		"a sum of more than 63":  append(masked(opText, "x"), promise(fin|opMore, math.MaxInt64)...),
		"2^63 in a continuation": append(masked(opText, "x"), promise(fin|opMore, 1<<63)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.tcp(t)
			c.send(frames)
			got := c.rest()
			require.Subset(t, []string{"close 1002", "close 1009"}, got)
			require.Len(t, got, 1)
		})
	}
}

func TestValidFramingIsUnderstood(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	whole := masked(fin|opText, pingMessage)
	bytewise := masked(opText, "")
	for i := range len(pingMessage) {
		bytewise = append(bytewise, masked(opMore, pingMessage[i:i+1])...)
	}
	bytewise = append(bytewise, masked(fin|opMore, "")...)
	most := strings.Repeat("\x00\xff", 62) + "x"
	for name, test := range map[string]struct {
		send []byte
		want []string
	}{
		"one frame":             {whole, []string{pongMessage}},
		"binary":                {masked(fin|opBinary, pingMessage), []string{pongMessage}},
		"two messages at once":  {append(bytes.Clone(whole), whole...), []string{pongMessage, pongMessage}},
		"a fragment per byte":   {bytewise, []string{pongMessage}},
		"binary in fragments":   {append(masked(opBinary, pingMessage[:5]), masked(fin|opMore, pingMessage[5:])...), []string{pongMessage}},
		"a ping":                {masked(fin|opPing, ""), []string{"pong "}},
		"a ping of 125 bytes":   {masked(fin|opPing, most), []string{"pong " + most}},
		"three pings":           {bytes.Join([][]byte{masked(fin|opPing, "1"), masked(fin|opPing, "2"), masked(fin|opPing, "3")}, nil), []string{"pong 1", "pong 2", "pong 3"}},
		"an unasked pong":       {append(masked(fin|opPong, "\xff"), whole...), []string{pongMessage}},
		"pings among fragments": {bytes.Join([][]byte{masked(opText, pingMessage[:30]), masked(fin|opPing, "a"), masked(opMore, pingMessage[30:33]), masked(fin|opPing, "b"), masked(fin|opPong, ""), masked(fin|opMore, pingMessage[33:])}, nil), []string{"pong a", "pong b", pongMessage}},
		// Section 5.2 wants the shortest length; nothing is won by refusing another.
		"a length of 8 bytes for 2": {append(promise(fin|opText, uint64(len(pingMessage))), pingMessage...), []string{pongMessage}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.tcp(t)
			c.send(test.send)
			for _, want := range test.want {
				require.Equal(t, want, c.next())
			}
			slow := b.tcp(t) // the same, a byte at a time
			for i := range test.send {
				slow.send(test.send[i : i+1])
			}
			for _, want := range test.want {
				require.Equal(t, want, slow.next())
			}
		})
	}
}

func TestACloseFrameIsAnsweredWithItsCode(t *testing.T) {
	t.Parallel()
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4400, 4999} {
		b := setup(t, ws.Config{InitTimeout: time.Minute})
		c := b.tcp(t)
		// What follows a close frame is not read.
		c.send(masked(fin|opClose, goodbye(code, strings.Repeat("é", 61))), masked(fin|opText, pingMessage))
		require.Equal(t, []string{fmt.Sprintf("close %d", code)}, c.rest())
		require.Equal(t, int(code), receive(t, b.closed))
	}
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	c := b.tcp(t)
	c.send(masked(fin|opClose, ""))
	require.Equal(t, []string{"close"}, c.rest())
	require.Equal(t, websocket.CloseNoStatusReceived, receive(t, b.closed))
	// A half code has no meaning, and the socket ends all the same.
	c = b.tcp(t)
	c.send(masked(fin|opClose, "\x03"))
	require.Subset(t, []string{"close", "close 1002"}, c.rest())
	receive(t, b.closed)
}

// A connection may end anywhere, and only in one direction.
func TestHalfEndsAndLostConnectionsEndTheSocket(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	whole := masked(fin|opText, `{"type":"subscribe","id":"1","payload":{"query":"{hello}"}}`)
	for at := range len(whole) {
		for name, leave := range map[string]func(*tcp) error{
			"half":  func(c *tcp) error { return c.conn.CloseWrite() },
			"reset": func(c *tcp) error { _ = c.conn.SetLinger(0); return c.conn.Close() },
		} {
			c := b.tcp(t)
			c.send(whole[:at])
			require.NoError(t, leave(c))
			require.Equal(t, websocket.CloseAbnormalClosure, receive(t, b.closed), "%s end after %d bytes", name, at)
			if name == "half" {
				require.Empty(t, c.rest(), "after %d bytes", at)
			}
		}
	}
}

func TestAHalfEndEndsOperations(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	c := b.tcp(t)
	c.send(masked(fin|opText, hello), masked(fin|opText, op("1", "subscription { idle }")))
	require.Equal(t, `text {"type":"connection_ack"}`, c.next())
	require.Equal(t, "subscription", receive(t, b.started))
	require.NoError(t, c.conn.CloseWrite())
	require.Equal(t, "subscription", receive(t, b.ended).kind)
	require.Empty(t, c.rest())
}

// A peer that neither answers the server's close frame nor leaves is left.
func TestAPeerThatIgnoresTheCloseFrameIsCutOff(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	c := b.tcp(t)
	receive(t, b.opened).Close(ws.CloseForbidden, "Forbidden")
	header := make([]byte, 4)
	_, err := c.r.Read(header)
	require.NoError(t, err)
	require.Equal(t, fin|opClose, header[0])
	require.Equal(t, ws.CloseForbidden, receive(t, b.closed)) // after closeGrace
}

// Nobody gets memory for what was only promised: this test runs alone.
func TestPromisedBytesTakeNoMemory(t *testing.T) {
	b := setup(t, ws.Config{InitTimeout: time.Minute})
	const sockets = 100
	clients := make([]*tcp, sockets)
	for i := range clients {
		clients[i] = b.tcp(t)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) //nolint:gosec // less than 2^63
	}
	before := heap()
	for i, c := range clients {
		c.send(masked(opText, "x"), masked(fin|opPing, "")) // the ping's answer shows that the fragment was read
		c.send(promise(opMore, math.MaxInt64/2-uint64(i)))  //nolint:gosec // a positive number
		c.send([]byte(strings.Repeat("x", 1000)))
		require.Equal(t, "pong ", c.next())
	}
	grown := heap() - before
	require.Less(t, grown/sockets, int64(32<<10), "bytes per socket")
	for _, c := range clients {
		require.NoError(t, c.conn.Close())
	}
}
