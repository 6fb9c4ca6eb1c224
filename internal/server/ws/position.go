package ws

import (
	"context"
	"encoding/json"
	"time"

	"parley/internal/event"
	"parley/internal/resume"
	"parley/internal/server/lasting"
)

// The automatic position: a ping carries a number, which the peer's pong
// repeats (clients echo a ping's payload). Whoever has answered a ping has
// received everything that was sent before it.

// positions are the pings whose pongs would confirm something.
type positions struct {
	// last is the number of the last ping that carried one.
	last int64
	// pinged holds what the last few such pings stand for.
	pinged [maxPinged]pinged
	// count is the number of messages since the last such ping, and wait how long
	// one may wait for the next.
	count int
	wait  time.Duration
	// saving is true while a goroutine writes down what a pong confirmed, and
	// confirmed what came meanwhile.
	saving    bool
	confirmed []positioned
}

// A socket's first messages are confirmed soon, so that one which breaks again
// and again gets further each time. The wait doubles up to Config.ConfirmAfter.
// Many messages do not wait, for the same reason: a replay may be long.
const (
	firstConfirm = 250 * time.Millisecond
	confirmEvery = 100
)

// maxPinged is how many pings may be on their way. One that is answered later
// than so many after it confirms nothing; the next does.
const maxPinged = 4

type pinged struct {
	number    int64
	positions []positioned
}

// positioned is how far a reader had come when a ping was sent.
type positioned struct {
	reader *resume.Reader
	at     event.Cursor
}

// pingPayload is what a ping of ours carries.
type pingPayload struct {
	Received int64 `json:"received"`
}

// markSent is called after a response of the operation has left.
func (c *Conn) markSent(o *lasting.Operation) {
	if _, ok := o.Reader.Sent(); !ok || !o.Reader.Kept() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent.wait == 0 {
		c.sent.wait = min(firstConfirm, c.cfg().ConfirmAfter)
	}
	c.sent.count++
	at := time.Now()
	if c.sent.count < confirmEvery {
		at = at.Add(c.sent.wait)
	}
	if due := c.due.confirm; due.IsZero() || at.Before(due) {
		c.due.confirm = at
		c.arm()
	}
}

// confirming gives the payload of a ping that makes the peer confirm what the
// socket's operations have sent, nil when there is nothing to confirm.
func (c *Conn) confirming() map[string]any {
	var positions []positioned
	for _, o := range c.operations.All() {
		if at, worth := o.Reader.Unconfirmed(); worth {
			positions = append(positions, positioned{o.Reader, at})
		}
	}
	if positions == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.last++
	c.sent.count = 0
	c.sent.wait = min(2*c.sent.wait, c.cfg().ConfirmAfter)
	c.sent.pinged[c.sent.last%maxPinged] = pinged{c.sent.last, positions}
	return map[string]any{"received": c.sent.last}
}

// confirmed handles the payload of a pong.
func (c *Conn) confirmed(raw json.RawMessage) {
	var p pingPayload
	if raw == nil || json.Unmarshal(raw, &p) != nil || p.Received <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := &c.sent.pinged[p.Received%maxPinged]
	if slot.number != p.Received {
		return
	}
	positions := slot.positions
	*slot = pinged{}
	if c.sent.saving {
		c.sent.confirmed = positions // it is further than what came before
		return
	}
	c.sent.saving = true
	go c.save(positions)
}

// save writes down what was confirmed. What the book does not take now, it is
// given with the next pong.
func (c *Conn) save(positions []positioned) {
	defer c.guard("websocket position")
	for positions != nil {
		c.confirm(positions)
		c.mu.Lock()
		positions = c.sent.confirmed
		c.sent.confirmed = nil
		c.sent.saving = positions != nil
		c.mu.Unlock()
	}
}

func (c *Conn) confirm(positions []positioned) {
	// The socket's end must not lose what its client has told.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.base), saveTimeout)
	defer cancel()
	for _, p := range positions {
		if err := p.reader.Confirm(ctx, p.at); err != nil {
			c.cfg().Log.DebugContext(ctx, "websocket position not kept", "socket", c.id, "error", err)
			return
		}
	}
}

const saveTimeout = 10 * time.Second

// forget is called when an operation has ended and its client knows.
func (c *Conn) forget(r *resume.Reader) {
	if !r.Kept() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.base), saveTimeout)
	defer cancel()
	if err := r.Forget(ctx); err != nil {
		c.cfg().Log.DebugContext(ctx, "websocket position not forgotten", "socket", c.id, "error", err)
	}
}
