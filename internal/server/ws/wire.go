package ws

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"parley/internal/server/lasting"
)

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
		n, err := w.Conn.Write(p[:min(len(p), lasting.WriteChunk)])
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

// abort ends the connection at once.
func (w *wire) abort() { lasting.Abort(w.Conn) }

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
	if tcp := lasting.TCP(conn); tcp != nil && h.cfg.SendBuffer > 0 {
		_ = tcp.SetWriteBuffer(h.cfg.SendBuffer)
	}
	return w, rw, nil
}
