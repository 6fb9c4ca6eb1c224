package sse

import (
	"bytes"
	"errors"
	"os"
	"time"

	"parley/internal/server/lasting"
)

// write sends one event, of an operation only while that is live.
func (s *Stream) write(o *lasting.Operation, encode func(*bytes.Buffer) error) error {
	buf := lasting.Buffer()
	defer lasting.Release(buf)
	if err := encode(buf); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if o != nil && !s.operations.Live(o) {
		return lasting.ErrEnded
	}
	return s.put(buf.Bytes())
}

// put sends bytes, each chunk of them within Config.WriteTimeout; s.writing is
// held. The deadline is taken away again: HTTP/2 resets a stream that is idle
// when it passes.
func (s *Stream) put(p []byte) error {
	for len(p) > 0 {
		if s.silent || s.ending() {
			return lasting.ErrEnded
		}
		deadline := time.Now().Add(s.cfg().WriteTimeout)
		err := s.wire.SetWriteDeadline(deadline)
		if err == nil {
			n := min(len(p), lasting.WriteChunk)
			_, err = s.w.Write(p[:n])
			p = p[n:]
		}
		if err == nil {
			err = s.wire.Flush()
		}
		if err != nil {
			s.lose(err, deadline)
			return lasting.ErrEnded
		}
		s.due = deadline
	}
	s.written = time.Now()
	_ = s.wire.SetWriteDeadline(time.Time{})
	return nil
}

// lose ends a stream to which nothing more can be written.
func (s *Stream) lose(err error, deadline time.Time) {
	// HTTP/2 says only that the stream is gone. It takes notice of
	// deadlines late, so that the one of the bytes before may have passed.
	now, timeout := time.Now(), s.cfg().WriteTimeout
	late := now.After(deadline) || now.After(s.due) && now.Before(s.due.Add(timeout))
	if late || errors.Is(err, os.ErrDeadlineExceeded) {
		if s.stop(EndOverflow) {
			s.operations.Tell(func() { s.cfg().Hooks.Overflow(s) })
		}
		return
	}
	s.stop(EndLost)
}

// hush waits for whoever is writing; nobody may touch the response after its
// handler has returned. What the HTTP server still sends has its time too.
func (s *Stream) hush() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.silent = true
	if s.reason() == EndOverflow {
		s.abort()
		return
	}
	_ = s.wire.SetWriteDeadline(time.Now().Add(s.cfg().WriteTimeout))
}

// abort closes a connection of HTTP/1.1. On HTTP/2 the stream has been reset, and
// others share the connection.
func (s *Stream) abort() {
	if conn, _, err := s.wire.Hijack(); err == nil {
		lasting.Abort(conn)
	}
}
