package ws

import "time"

// Cut breaks the connection as a stuck reader's is broken.
func Cut(c *Conn) { c.wire.abort() }

// Draining tells whether the transport refuses new work.
func (t *Transport) Draining() bool { return t.conns.Draining() }

// ConfirmIn sets how long the next message waits for its ping.
func ConfirmIn(c *Conn, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.wait = d
}
