package ws

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/resume"
	"parley/internal/server/lasting"
)

// subscribe starts an operation, or says why not.
func (c *Conn) subscribe(m message, size int64) {
	if c.t.conns.Draining() {
		// What is not begun here, the client begins elsewhere when it comes back.
		c.retire(CloseRestart, restartReason)
		return
	}
	c.mu.Lock()
	ctx, acked, over := c.ctx, c.acked, c.code != 0
	c.mu.Unlock()
	switch {
	case !acked:
		c.shut(CloseUnauthorized, "Unauthorized")
		return
	case over:
		return
	}
	o := &lasting.Operation{ID: m.id, Size: size, Params: m.params, Reader: &resume.Reader{Operation: m.id}}
	switch err := c.operations.Admit(o, c.cfg().MaxHeld); {
	case errors.Is(err, lasting.ErrTaken):
		c.shut(CloseDuplicateID, "Subscriber for "+m.id+" already exists")
	case err != nil:
		c.operations.Refuse()
		list := errorList(apperr.New(apperr.RateLimited, "Too many operations on one socket."))
		_ = c.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, typeError, m.id, list); return nil })
	default:
		c.running.Add(1)
		c.operations.Start(ctx, o)
	}
}

// sink is a socket as its operations see it.
type sink struct{ *Conn }

// Log names the socket.
func (s sink) Log() *slog.Logger { return s.cfg().Log.With("socket", s.id) }

// Next sends a next message.
func (s sink) Next(o *lasting.Operation, resp *graphql.Response) error {
	err := s.send(o, func(buf *bytes.Buffer) error { return writeNext(buf, o.ID, resp) })
	if err == nil {
		s.markSent(o)
	}
	return err
}

// Finish sends an error message, or complete without errors; nothing where the
// client has ended the operation.
func (s sink) Finish(o *lasting.Operation, errs gqlerror.List) (told bool) {
	kind, list := typeComplete, []byte(nil)
	if len(errs) > 0 {
		kind, list = typeError, s.encode(errs)
	}
	if !s.operations.Drop(o) {
		return false
	}
	err := s.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, kind, o.ID, list); return nil })
	return err == nil
}

func (s sink) encode(errs gqlerror.List) []byte {
	list, err := json.Marshal(errs)
	if err != nil {
		s.Log().Error("websocket error payload", "error", err)
		return errorList(apperr.New(apperr.Internal, internalReason))
	}
	return list
}

// Returned forgets where the operation's reader was, once nobody will ask, and
// closes a socket that has waited for the last answer.
func (s sink) Returned(o *lasting.Operation, over bool) {
	s.answered()
	if over {
		s.forget(o.Reader)
	}
	s.running.Done()
}
