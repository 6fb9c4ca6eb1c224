package ws_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// First bytes of frames (RFC 6455, section 5.2): the FIN bit, the reserved bits
// and the opcodes.
const (
	fin  byte = 0x80
	rsv1 byte = 0x40
	rsv2 byte = 0x20
	rsv3 byte = 0x10

	opMore   byte = 0x0
	opText   byte = 0x1
	opBinary byte = 0x2
	opClose  byte = 0x8
	opPing   byte = 0x9
	opPong   byte = 0xA
)

// tcp is a websocket's client without a websocket library, so that it can send
// what none would.
type tcp struct {
	t    testing.TB
	conn *net.TCPConn
	r    *bufio.Reader
}

// tcp connects and asks for a websocket.
func (b *bundle) tcp(t testing.TB) *tcp {
	t.Helper()
	address := b.server.Listener.Addr().String()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n", address, ws.Protocol)
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", response.Header.Get("Sec-Websocket-Accept"), "section 1.3 has this example")
	return &tcp{t, conn.(*net.TCPConn), r}
}

// unmasked gives a frame as servers send them, with the shortest length.
func unmasked(first byte, payload string) []byte {
	switch n := len(payload); {
	case n < 126:
		return append([]byte{first, byte(n)}, payload...)
	case n < 1<<16:
		return append(binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(n)), payload...)
	default:
		return append(binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(n)), payload...)
	}
}

// masked gives a frame as clients must send them.
func masked(first byte, payload string) []byte {
	whole := unmasked(first, payload)
	header := whole[:len(whole)-len(payload)]
	header[1] |= 0x80
	key := []byte{0x12, 0xAB, 0x00, 0xFF}
	out := append(slices.Clone(header), key...)
	for i := range len(payload) {
		out = append(out, payload[i]^key[i%4])
	}
	return out
}

// promise is the beginning of a frame that says that n bytes follow.
func promise(first byte, n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n), 0, 0, 0, 0)
}

// goodbye gives a close frame's payload.
func goodbye(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// send writes bytes, also when the server has closed already: what it said
// shows why.
func (c *tcp) send(frames ...[]byte) { _, _ = c.conn.Write(bytes.Join(frames, nil)) }

// next reads a frame as "text …", "pong …" or "close 1002", and "end" for the
// end of the connection. What a server must not send fails the test.
func (c *tcp) next() string {
	c.t.Helper()
	header := make([]byte, 2)
	if _, err := io.ReadFull(c.r, header); err != nil {
		var slow net.Error
		require.False(c.t, errors.As(err, &slow) && slow.Timeout(), "the server neither answers nor ends")
		return "end"
	}
	require.Equal(c.t, fin, header[0]&0xF0, "a fragment, or with reserved bits: %x", header)
	n := uint64(header[1])
	switch n { // the mask bit would make it larger
	case 126:
		long := make([]byte, 2)
		_, err := io.ReadFull(c.r, long)
		require.NoError(c.t, err)
		n = uint64(binary.BigEndian.Uint16(long))
	case 127:
		long := make([]byte, 8)
		_, err := io.ReadFull(c.r, long)
		require.NoError(c.t, err)
		n = binary.BigEndian.Uint64(long)
	}
	require.Less(c.t, n, uint64(4<<20), "masked, or far too long")
	payload := make([]byte, n)
	_, err := io.ReadFull(c.r, payload)
	require.NoError(c.t, err)
	switch header[0] & 0x0F {
	case opText:
		return "text " + string(payload)
	case opPing:
		return "ping " + string(payload)
	case opPong:
		return "pong " + string(payload)
	case opClose:
		if len(payload) == 0 {
			return "close"
		}
		require.GreaterOrEqual(c.t, len(payload), 2)
		require.LessOrEqual(c.t, len(payload), 125)
		c.send(masked(fin|opClose, string(payload[:2])))
		return fmt.Sprintf("close %d", binary.BigEndian.Uint16(payload))
	default:
		c.t.Fatalf("the server sent the opcode %x", header[0])
		return ""
	}
}

// rest reads up to the end.
func (c *tcp) rest() []string {
	c.t.Helper()
	var all []string
	for {
		one := c.next()
		if one == "end" {
			return all
		}
		all = append(all, strings.TrimSpace(one))
	}
}
