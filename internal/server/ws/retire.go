package ws

import "time"

// retire closes the socket once its queries and mutations have been answered,
// or after Config.AnswerTimeout, so that a client need not wonder what became of
// them. Streams just end: they go on elsewhere.
func (c *Conn) retire(code int, reason string) {
	// In this order: the last answer looks for retiring after it is counted off.
	c.mu.Lock()
	first := c.retiring == nil && c.code == 0
	if first {
		c.retiring = func() { c.Close(code, reason) }
	}
	closing := c.retiring
	c.mu.Unlock()
	switch {
	case c.operations.Answering() == 0:
		c.Close(code, reason)
	case first:
		time.AfterFunc(c.cfg().AnswerTimeout, closing)
	}
}

// answered closes a retiring socket after its last answer.
func (c *Conn) answered() {
	c.mu.Lock()
	closing := c.retiring
	c.mu.Unlock()
	if closing != nil && c.operations.Answering() == 0 {
		closing()
	}
}
