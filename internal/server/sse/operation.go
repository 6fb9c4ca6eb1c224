package sse

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/resume"
	"parley/internal/server/lasting"
)

// operation is one request being answered.
type operation struct {
	s      *Stream
	id     string // empty on a connection of one operation
	size   int64  // bytes of its request
	params *graphql.RawParams
	reader *resume.Reader

	rc   *graphql.OperationContext // nil until validated
	errs gqlerror.List             // presented: why it is answered without being executed

	// Of its one goroutine.
	ctx       context.Context
	responses graphql.ResponseHandler // nil until dispatched
	begun     time.Time               // zero until dispatched
	answered  bool                    // a response has left

	cancel    context.CancelFunc // guarded by s.mu; nil until started
	dismissed bool               // guarded by s.mu: the client has ended it
	moved     bool               // guarded by s.mu: another process has it

	mu     sync.Mutex
	reason error // from Fail
}

type operationKey struct{}

// Fail makes the operation of ctx end with a response that has errors and no
// data, once its resolver's channel closes. The error passes the error
// presenter. This is how a stream tells why it ends, after it has begun; it
// gives false where ctx does not belong to an operation on an event stream.
func Fail(ctx context.Context, err error) bool {
	o, ok := ctx.Value(operationKey{}).(*operation)
	if !ok || err == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reason == nil {
		o.reason = err
	}
	return true
}

// execute takes an operation on, or says why not.
func (s *Stream) execute(method, id string, size int64, params *graphql.RawParams) *answer {
	o := &operation{s: s, id: id, size: size, params: params, reader: &resume.Reader{}}
	if id == "" {
		o.reader.Last = s.Header().Get("Last-Event-ID")
	}
	if refused := s.admitOperation(o); refused != nil {
		s.hook(s.cfg().Hooks.OperationRefused)
		return refused
	}
	if refused := o.validate(s.Context(), method); refused != nil {
		s.drop(o)
		return refused
	}
	s.mu.Lock()
	owned, now, moved := s.live[id] == o && s.end == "", s.phase == open, o.moved
	if owned && !now {
		s.queue = append(s.queue, o)
	}
	s.mu.Unlock()
	switch {
	case moved:
	case !owned:
		return &answer{Status: http.StatusNoContent}
	case now:
		o.start()
	}
	return &answer{Status: http.StatusAccepted}
}

// admitOperation takes the operation's id, if there is room for it.
func (s *Stream) admitOperation(o *operation) *answer {
	limit, bytes := s.cfg().MaxOperations, s.cfg().MaxHeld
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == reserved {
		bytes = min(bytes, maxWaiting)
	}
	switch {
	case s.end != "":
		return notFound()
	case s.live[o.id] != nil:
		return refusal(http.StatusConflict, apperr.New(apperr.Conflict, "There is an operation with this id on the stream."))
	// Operations that the client has ended may take a while to return; there is
	// as much room for them again.
	case len(s.live) >= limit || s.working >= 2*limit || s.held+o.size > bytes:
		return refusal(http.StatusTooManyRequests, apperr.Limited(time.Second, "Too many operations on one stream."))
	}
	s.take(o)
	return nil
}

// take makes the operation live; s.mu is held.
func (s *Stream) take(o *operation) {
	if s.live == nil {
		s.live = make(map[string]*operation, 1)
	}
	s.live[o.id] = o
	s.held += o.size
}

// drop makes the operation's id free again, and tells whether it was its.
func (s *Stream) drop(o *operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[o.id] != o {
		return false
	}
	delete(s.live, o.id)
	s.held -= o.size
	return true
}

func (s *Stream) owns(o *operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[o.id] == o
}

func (s *Stream) taken(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id] != nil
}

// dismiss ends an operation at the client's wish.
func (s *Stream) dismiss(id string) {
	s.mu.Lock()
	o := s.live[id]
	var cancel context.CancelFunc
	if o != nil {
		o.dismissed, cancel = true, o.cancel
	}
	s.mu.Unlock()
	if o != nil && s.drop(o) && cancel != nil {
		cancel()
	}
}

// start runs the operation. One that the client has ended before is complete.
func (o *operation) start() {
	s := o.s
	s.mu.Lock()
	if s.live[o.id] != o || s.end != "" {
		dismissed := o.dismissed && s.live[o.id] == nil
		s.mu.Unlock()
		if dismissed {
			_ = s.write(nil, func(buf *bytes.Buffer) error { writeComplete(buf, o.id); return nil })
		}
		return
	}
	defer s.mu.Unlock()
	ctx := context.WithValue(resume.With(s.ctx, o.reader), operationKey{}, o)
	o.ctx, o.cancel = context.WithCancel(ctx)
	s.working++
	s.users++
	go o.run()
}

// run answers the operation.
func (o *operation) run() {
	errs := o.dispatch()
	switch {
	case o.responses == nil:
		o.end(errs)
	case o.rc.Operation.Operation == ast.Subscription:
		go o.pull() // see pull
	default:
		o.pull()
	}
}

// dispatch prepares o.responses, or gives the errors why not.
func (o *operation) dispatch() (errs gqlerror.List) {
	defer o.rescue(&errs)
	if o.rc == nil && o.errs == nil { // taken over from another process
		if refused := o.validate(o.ctx, http.MethodPost); refused != nil && o.errs == nil {
			o.errs = internalErrors()
		}
	}
	if o.errs != nil {
		return nil
	}
	o.params = nil
	o.ctx = graphql.WithOperationContext(graphql.StartOperationTrace(o.ctx), o.rc)
	o.begun = time.Now()
	o.s.hook(func() { o.s.cfg().Hooks.OperationStarted(string(o.rc.Operation.Operation)) })
	o.responses, o.ctx = o.s.exec.DispatchOperation(o.ctx, o.rc)
	return nil
}

// pull sends one response, asked for only when the one before has been written,
// and goes on with a fresh goroutine: Go does not give a stack back of which a
// quarter is in use, so that one which has executed and encoded would keep
// several times what waiting takes.
func (o *operation) pull() {
	more, errs := o.advance()
	if more {
		go o.pull()
		return
	}
	o.end(errs)
}

// advance sends one response and tells whether there may be more, and otherwise
// the errors with which the operation ends, if any.
func (o *operation) advance() (more bool, errs gqlerror.List) {
	defer o.rescue(&errs)
	resp := o.responses(o.ctx)
	streaming := o.rc.Operation.Operation == ast.Subscription
	if resp != nil {
		if err := o.next(resp); errors.Is(err, errEnded) {
			return false, nil
		} else if err != nil {
			return false, lasting.Errors(err)
		}
		o.answered = true
		// An interceptor may answer a query the same for ever.
		if streaming || resp.HasNext != nil && *resp.HasNext {
			return true, nil
		}
	} else if !streaming && !o.answered {
		return false, lasting.Errors(o.ctx.Err()) // the time was up before anything was done
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return false, lasting.Errors(o.reason)
}

// rescue, deferred, makes an error of a panic in execution or an extension.
func (o *operation) rescue(errs *gqlerror.List) {
	r := recover()
	if r == nil {
		return
	}
	if o.rc != nil {
		*errs = lasting.Errors(o.rc.Recover(o.ctx, r))
		return
	}
	o.s.cfg().Log.Error("an operation panicked", "stream", o.s.id, "panic", r, "stack", string(debug.Stack()))
	o.errs, *errs = internalErrors(), nil // without an operation nothing could be presented
}

func internalErrors() gqlerror.List {
	return gqlerror.List{{Message: internalSentence, Extensions: map[string]any{"code": apperr.Internal}}}
}

// next sends a response with its place, if it has one.
func (o *operation) next(resp *graphql.Response) error {
	id := ""
	if at, ok := o.reader.Sent(); ok {
		id = at.String()
	}
	return o.s.write(o, func(buf *bytes.Buffer) error { return writeNext(buf, id, o.id, resp) })
}

// present gives errs as the error presenter shows them.
func (o *operation) present(ctx context.Context, errs gqlerror.List) (shown gqlerror.List) {
	defer func() {
		if r := recover(); r != nil {
			o.s.cfg().Log.Error("the error presenter panicked", "stream", o.s.id, "panic", r, "stack", string(debug.Stack()))
			shown = internalErrors()
		}
	}()
	if resp := o.s.exec.DispatchError(ctx, errs); resp != nil && len(resp.Errors) > 0 {
		return resp.Errors
	}
	return errs
}

// end sends what is last.
func (o *operation) end(errs gqlerror.List) {
	s := o.s
	over := o.finish(errs)
	if !o.begun.IsZero() {
		s.hook(func() {
			s.cfg().Hooks.OperationEnded(string(o.rc.Operation.Operation), time.Since(o.begun), len(errs) > 0)
		})
	}
	switch {
	case s.Single():
	case over:
		s.stop(EndComplete)
	case s.base.Err() == nil:
		s.stop(EndClosed)
	default:
		s.stop(EndLost)
	}
	o.cancel()
	s.drop(o)
	s.mu.Lock()
	s.working--
	s.mu.Unlock()
	s.leave()
}

// finish sends the errors, if any, and complete. It tells whether the client
// will not ask for the operation again: it is complete, or was ended by the
// client. Where the stream ends, and its operations with it, nothing is sent.
func (o *operation) finish(errs gqlerror.List) (over bool) {
	s := o.s
	if s.Context().Err() != nil || s.base.Err() != nil {
		return o.wasDismissed()
	}
	if len(errs) > 0 {
		o.errs = o.present(o.ctx, errs)
	}
	if len(o.errs) > 0 {
		resp := &graphql.Response{Errors: o.errs}
		_ = s.write(o, func(buf *bytes.Buffer) error { return writeNext(buf, "", o.id, resp) })
	}
	// The id is free before complete leaves, because the client may use it again
	// at once; one who ended the operation perhaps has.
	s.drop(o)
	dismissed := o.wasDismissed()
	if dismissed && s.taken(o.id) {
		return true
	}
	err := s.write(nil, func(buf *bytes.Buffer) error { writeComplete(buf, o.id); return nil })
	return dismissed || err == nil
}

func (o *operation) wasDismissed() bool {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	return o.dismissed
}
