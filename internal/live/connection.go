package live

import (
	"context"
	"sync"
	"time"
)

// Connection is what the streams of one client's connection share.
type Connection struct {
	mu      sync.Mutex
	watches map[*Watch]struct{}
	// expires is what was warned of and still holds.
	expires time.Time
}

// NewConnection makes a Connection.
func NewConnection() *Connection { return &Connection{} }

type connectionKey struct{}

// WithConnection gives a context whose streams belong to the connection.
func WithConnection(ctx context.Context, c *Connection) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// Expiring makes the connection's event streams, and those to come, warn that
// it will be closed. The zero time takes the warning back.
func (c *Connection) Expiring(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expires = at
	for w := range c.watches {
		w.expiring(at)
	}
}

// attach lets the watch hear of what happens to the connection of a context,
// until detach.
func attach(ctx context.Context, w *Watch) (detach func()) {
	c, ok := ctx.Value(connectionKey{}).(*Connection)
	if !ok {
		return func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches == nil {
		c.watches = make(map[*Watch]struct{}, 1)
	}
	c.watches[w] = struct{}{}
	if !c.expires.IsZero() {
		w.expiring(c.expires)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watches, w)
	}
}
