package sse

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/resume"
	"parley/internal/server/lasting"
)

// execute takes an operation on, or says why not.
func (s *Stream) execute(method string, w waiting) *answer {
	o := w.operation()
	if w.ID == "" {
		o.Reader.Last = s.Header().Get("Last-Event-ID")
	}
	if refused := s.admitOperation(o); refused != nil {
		s.operations.Refuse()
		return refused
	}
	if refused := s.validate(o, method); refused != nil {
		s.operations.Drop(o)
		return refused
	}
	s.mu.Lock()
	live, ended, moved, now := s.operations.Live(o), s.end != "", s.moved, s.phase == open
	if live && !ended && !now {
		s.queue = append(s.queue, o)
	}
	s.mu.Unlock()
	switch {
	case live && moved:
	case !live || ended:
		return &answer{Status: http.StatusNoContent}
	case now:
		s.start(o)
	}
	return &answer{Status: http.StatusAccepted}
}

// operation makes the one that a request asked for.
func (w waiting) operation() *lasting.Operation {
	return &lasting.Operation{ID: w.ID, Size: w.Size, Params: w.Params, Reader: &resume.Reader{}}
}

// admitOperation takes the operation's id, if there is room for it.
func (s *Stream) admitOperation(o *lasting.Operation) *answer {
	bytes := s.cfg().MaxHeld
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != "" {
		return notFound()
	}
	if s.phase == reserved {
		bytes = min(bytes, maxWaiting)
	}
	switch err := s.operations.Admit(o, bytes); {
	case errors.Is(err, lasting.ErrTaken):
		return refusal(http.StatusConflict, apperr.New(apperr.Conflict, "There is an operation with this id on the stream."))
	case err != nil:
		return refusal(http.StatusTooManyRequests, apperr.Limited(time.Second, "Too many operations on one stream."))
	}
	return nil
}

// start runs the operation. One that the client has ended before is complete.
func (s *Stream) start(o *lasting.Operation) {
	s.mu.Lock()
	started := s.end == "" && s.operations.Start(s.ctx, o)
	if started {
		s.users++
	}
	s.mu.Unlock()
	if !started && o.Dismissed() && !s.operations.Taken(o.ID) {
		_ = s.complete(o)
	}
}

func (s *Stream) complete(o *lasting.Operation) error {
	return s.write(nil, func(buf *bytes.Buffer) error { writeComplete(buf, o.ID); return nil })
}

// sink is a stream as its operations see it.
type sink struct{ *Stream }

// Log names the stream.
func (s sink) Log() *slog.Logger { return s.cfg().Log.With("stream", s.id) }

// Next sends a response with its position, if it has one.
func (s sink) Next(o *lasting.Operation, resp *graphql.Response) error {
	id := ""
	if at, ok := o.Reader.Sent(); ok {
		id = at.String()
	}
	return s.write(o, func(buf *bytes.Buffer) error { return writeNext(buf, id, o.ID, resp) })
}

// Finish sends the errors, if any, as a response without data, and complete, also
// to a client that has ended the operation. Where the stream ends, and its
// operations with it, nothing is sent: the client comes back.
func (s sink) Finish(o *lasting.Operation, errs gqlerror.List) (told bool) {
	if s.Context().Err() != nil || s.base.Err() != nil {
		return false
	}
	if len(errs) > 0 {
		resp := &graphql.Response{Errors: errs}
		_ = s.write(o, func(buf *bytes.Buffer) error { return writeNext(buf, "", o.ID, resp) })
	}
	s.operations.Drop(o)
	if o.Dismissed() && s.operations.Taken(o.ID) { // complete would be another one's
		return false
	}
	return s.complete(o) == nil
}

// Returned ends the stream of an only operation.
func (s sink) Returned(_ *lasting.Operation, over bool) {
	switch {
	case s.Single():
	case over:
		s.stop(EndComplete)
	case s.base.Err() == nil:
		s.stop(EndClosed)
	default:
		s.stop(EndLost)
	}
	s.leave()
}
