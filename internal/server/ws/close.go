package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// Close codes that this package sends; see the package's overview for when.
const (
	CloseProtocolError = websocket.CloseProtocolError
	CloseInvalidText   = websocket.CloseInvalidFramePayloadData
	CloseTooBig        = websocket.CloseMessageTooBig
	CloseRestart       = websocket.CloseServiceRestart
	CloseTryAgain      = websocket.CloseTryAgainLater
	CloseBadRequest    = 4400
	CloseUnauthorized  = 4401
	CloseForbidden     = 4403
	CloseSubprotocol   = 4406
	CloseTimeout       = 4408
	CloseDuplicateID   = 4409
	CloseTooManyInits  = 4429
	CloseInternal      = 4500
)

const (
	restartReason   = "Service restart"
	forbiddenReason = "Forbidden"
	internalReason  = "Internal server error"
)

// maxReason is how many bytes of a reason fit beside the code into a close
// frame (RFC 6455, section 5.5).
const maxReason = 123

// closeGrace is how long a peer may take to answer a close frame.
const closeGrace = 3 * time.Second

// CloseError is an error with which Config.Init chooses how its socket closes.
type CloseError struct {
	// Code is a close code that may be sent: 1000 to 1003, 1007 to 1014
	// or 3000 to 4999. Others become 4500.
	Code int
	// Reason is for people, at most 123 bytes; the rest is cut off.
	Reason string
}

// Error gives code and reason.
func (e *CloseError) Error() string { return fmt.Sprintf("websocket close %d: %s", e.Code, e.Reason) }

// sendable tells whether a close frame may carry the code (RFC 6455, section
// 7.4 and its registry).
func sendable(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// clip cuts a reason to what fits, between characters.
func clip(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason
	for end > 0 && !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// settle fixes the code with which the socket ends, stops its timer and ends
// its operations. Only the first call does so, and only it gives true.
func (c *Conn) settle(code int) bool {
	c.mu.Lock()
	if c.code != 0 {
		c.mu.Unlock()
		return false
	}
	c.code = code
	c.timer.Stop()
	cancel := c.cancel
	c.mu.Unlock()
	cancel()
	return true
}

// shut sends a close frame, unless the socket is ending already. The reading
// goroutine then ends with the peer's answer, or after closeGrace.
func (c *Conn) shut(code int, reason string) {
	code, reason = permitted(code, reason)
	if c.settle(code) {
		c.farewell(code, reason)
	}
}

func permitted(code int, reason string) (int, string) {
	if !sendable(code) {
		return CloseInternal, internalReason
	}
	return code, clip(reason)
}

func (c *Conn) farewell(code int, reason string) {
	message := websocket.FormatCloseMessage(code, reason)
	// Another goroutine may be in the middle of a message.
	err := c.socket.WriteControl(websocket.CloseMessage, message, time.Now().Add(c.cfg().WriteTimeout))
	if err != nil {
		c.wire.abort()
		return
	}
	_ = c.wire.SetReadDeadline(time.Now().Add(closeGrace))
}

// lose ends a socket to which nothing more can be written.
func (c *Conn) lose(err error) {
	if errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	var failed net.Error
	if errors.As(err, &failed) && failed.Timeout() { // gorilla hides os.ErrDeadlineExceeded
		if c.settle(CloseTryAgain) {
			c.cfg().Hooks.Overflow(c)
		}
		c.wire.abort()
		return
	}
	c.settle(websocket.CloseAbnormalClosure)
	_ = c.wire.Close()
}

// hungUp settles the code after reading has failed with err.
func (c *Conn) hungUp(err error) {
	var closed *websocket.CloseError
	var broken net.Error
	switch {
	case errors.As(err, &closed):
		c.settle(closed.Code)
	case errors.Is(err, websocket.ErrReadLimit): // of which gorilla says nothing where a length overflows
		c.shut(CloseTooBig, "Message too big")
		c.drainRaw()
	case errors.As(err, &broken) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF):
		c.settle(websocket.CloseAbnormalClosure)
	default: // gorilla has answered broken framing with 1002
		if c.settle(CloseProtocolError) {
			c.drainRaw()
		}
	}
}

// drainRaw reads on for a moment without understanding. Closing a connection
// with unread input resets it, and the peer might lose the close frame.
func (c *Conn) drainRaw() {
	_ = c.wire.SetReadDeadline(time.Now().Add(closeGrace / 10))
	_, _ = io.Copy(io.Discard, c.wire)
}
