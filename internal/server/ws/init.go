package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"parley/internal/apperr"
)

// InitPayload is the payload of connection_init, nil when it has none.
type InitPayload map[string]any

// Bearer gives the token that clients send in one of the usual places:
// authorization or Authorization, with or without "Bearer ", token, or the same
// below headers. Empty when there is none.
func (p InitPayload) Bearer() string {
	for _, key := range []string{"authorization", "Authorization", "token"} {
		if s, _ := p[key].(string); s != "" {
			if len(s) > 7 && strings.EqualFold(s[:7], "bearer ") {
				s = s[7:]
			}
			return strings.TrimSpace(s)
		}
	}
	if headers, ok := p["headers"].(map[string]any); ok {
		return InitPayload{"authorization": headers["authorization"], "Authorization": headers["Authorization"]}.Bearer()
	}
	return ""
}

// greet handles connection_init. Authentication runs beside the reading, so
// that pings are answered and what comes too early is noticed.
func (c *Conn) greet(raw json.RawMessage) {
	var payload InitPayload
	if raw != nil {
		if err := json.Unmarshal(raw, &payload); err != nil {
			c.shut(CloseBadRequest, invalidReason)
			return
		}
	}
	c.mu.Lock()
	second := c.greeted
	if !second {
		c.greeted = true
		c.due.init = time.Time{}
		c.due.auth = time.Now().Add(c.cfg().AuthTimeout)
		c.arm()
	}
	c.mu.Unlock()
	switch {
	case second:
		c.shut(CloseTooManyInits, "Too many initialisation requests")
	case c.cfg().Init == nil:
		c.acknowledge(c.base, nil)
	default:
		c.running.Add(1)
		go c.authenticate(payload)
	}
}

func (c *Conn) authenticate(payload InitPayload) {
	defer c.running.Done()
	defer c.guard("websocket init")
	ctx, ack, err := c.cfg().Init(c.base, payload)
	if err != nil {
		c.turnAway(err)
		return
	}
	if ctx == nil {
		ctx = c.base
	}
	c.acknowledge(ctx, ack)
}

func (c *Conn) turnAway(err error) {
	var chosen *CloseError
	code := apperr.CodeOf(err)
	switch {
	case c.base.Err() != nil: // the socket went away, and so did Init
	case errors.As(err, &chosen):
		c.shut(chosen.Code, chosen.Reason)
	case code == apperr.Unavailable || code == apperr.Timeout:
		c.cfg().Log.WarnContext(c.base, "websocket authentication unavailable", "socket", c.id, "error", err)
		c.shut(CloseTryAgain, "Try again later")
	default:
		c.cfg().Log.DebugContext(c.base, "websocket forbidden", "socket", c.id, "error", err)
		c.shut(CloseForbidden, forbiddenReason)
	}
}

// acknowledge opens the socket for operations in ctx.
func (c *Conn) acknowledge(ctx context.Context, ack map[string]any) {
	var payload []byte
	if ack != nil {
		var err error
		if payload, err = json.Marshal(ack); err != nil {
			c.cfg().Log.ErrorContext(ctx, "websocket ack payload", "socket", c.id, "error", err)
			c.shut(CloseInternal, internalReason)
			return
		}
	}
	// Also a context of Init's that does not derive from ours must end.
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	if c.code != 0 {
		c.mu.Unlock()
		cancel()
		return
	}
	cancelBase := c.cancel
	c.cancel = func() { cancelBase(); cancel() }
	c.ctx, c.acked = ctx, true
	c.due.auth = time.Time{}
	if interval := c.cfg().PingInterval; interval > 0 {
		c.due.ping = time.Now().Add(interval)
	}
	c.mu.Unlock()
	_ = c.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, typeAck, "", payload); return nil })
	// A warning that is due already follows the acknowledgement.
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arm()
}

// guard turns a panic of configured code into 4500.
func (c *Conn) guard(what string) {
	if r := recover(); r != nil {
		c.cfg().Log.Error(what+" panicked", "socket", c.id, "panic", r, "stack", string(debug.Stack()))
		c.shut(CloseInternal, internalReason)
	}
}
