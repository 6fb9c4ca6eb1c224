package ws

// Cut breaks the connection as a stuck reader's is broken.
func Cut(c *Conn) { c.wire.abort() }
