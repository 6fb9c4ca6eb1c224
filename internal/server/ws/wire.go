package ws

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// writeChunk is how many bytes may share one write deadline, so that a slow
// peer which takes a long message bit by bit is not taken for a stuck one.
const writeChunk = 16 << 10

// wire is the connection below a socket. It notes when bytes came in, and
// allows each chunk that goes out the same time; the deadlines that gorilla
// sets for whole frames do not apply.
type wire struct {
	net.Conn
	timeout time.Duration
	heard   atomic.Int64 // Unix nanoseconds of the last byte from the peer
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (w *wire) Write(p []byte) (written int, err error) {
	for {
		if err := w.Conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
			return written, err
		}
		n, err := w.Conn.Write(p[:min(len(p), writeChunk)])
		written += n
		if err != nil {
			return written, err
		}
		if p = p[n:]; len(p) == 0 {
			return written, nil
		}
	}
}

// SetWriteDeadline does nothing: Write sets its own.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// heardSince tells whether any byte came from the peer after t.
func (w *wire) heardSince(t time.Time) bool { return w.heard.Load() > t.UnixNano() }

// tcp gives the TCP connection below, also below TLS; nil if there is none.
func (w *wire) tcp() *net.TCPConn {
	conn := w.Conn
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = inner.NetConn()
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// abort closes the connection and throws away what the kernel has not sent.
// Otherwise a peer that reads nothing would hold the send buffer for minutes.
func (w *wire) abort() {
	if tcp := w.tcp(); tcp != nil {
		_ = tcp.SetLinger(0)
		_ = tcp.Close() // before TLS, whose goodbye would block
	}
	_ = w.Conn.Close()
}

// hijacker gives gorilla a wire instead of the bare connection, also through
// middleware that only has Unwrap.
type hijacker struct {
	http.ResponseWriter
	cfg *Config
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: conn, timeout: h.cfg.WriteTimeout}
	if tcp := w.tcp(); tcp != nil && h.cfg.SendBuffer > 0 {
		_ = tcp.SetWriteBuffer(h.cfg.SendBuffer)
	}
	return w, rw, nil
}
