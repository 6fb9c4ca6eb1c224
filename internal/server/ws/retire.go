package ws

import "time"

// retire closes the socket once its queries and mutations have been answered,
// or after Config.AnswerTimeout, so that a client need not wonder what became of
// them. Streams just end: they go on elsewhere.
func (c *Conn) retire(code int, reason string) {
	c.mu.Lock()
	busy := c.answering > 0 && c.code == 0
	if busy && c.retiring == nil {
		c.retiring = func() { c.Close(code, reason) }
		time.AfterFunc(c.cfg().AnswerTimeout, c.retiring)
	}
	c.mu.Unlock()
	if !busy {
		c.Close(code, reason)
	}
}

// answer counts a query or mutation until answered.
func (c *Conn) answer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answering++
}

func (c *Conn) answered() {
	c.mu.Lock()
	c.answering--
	closing := c.retiring
	last := c.answering == 0
	c.mu.Unlock()
	if closing != nil && last {
		closing()
	}
}
