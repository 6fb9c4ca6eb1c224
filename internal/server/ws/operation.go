package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/resume"
	"parley/internal/server/lasting"
)

// operation is one subscribe message being answered.
type operation struct {
	c      *Conn
	id     string
	size   int64 // bytes of its message
	reader *resume.Reader
	ctx    context.Context
	cancel context.CancelFunc

	// Of its one goroutine, from here to reason.
	rc        *graphql.OperationContext
	responses graphql.ResponseHandler // nil until dispatched
	start     time.Time               // zero until validated
	counted   bool                    // among Conn.answering

	mu     sync.Mutex
	reason error // from Fail
	// announced is the number of responses that are there to be pulled, and
	// pulling whether a goroutine does so; see attend.
	announced int
	pulling   bool

	unwanted atomic.Bool // the client has ended it
}

type operationKey struct{}

// Fail makes the operation of ctx end with an error message instead of a
// complete one, once its resolver's channel closes. The error passes the error
// presenter. This is how a stream tells why it ends, after it has begun; it
// gives false where ctx does not belong to an operation on a socket.
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

// subscribe starts an operation, or says why not.
func (c *Conn) subscribe(m message, size int64) {
	if c.t.conns.Draining() {
		// What is not begun here, the client begins elsewhere when it comes back.
		c.retire(CloseRestart, restartReason)
		return
	}
	o := &operation{c: c, id: m.id, size: size, pulling: true}
	o.reader = &resume.Reader{Operation: m.id, Notify: o.attend}
	c.mu.Lock()
	_, taken := c.live[m.id]
	acked := c.acked
	// Operations that the client has ended may take a while to return; there is
	// as much room for them again.
	limited := len(c.live) >= c.cfg().MaxOperations || c.working >= 2*c.cfg().MaxOperations || c.held+size > c.cfg().MaxHeld
	if acked && !taken && !limited && c.code == 0 {
		if c.live == nil {
			c.live = make(map[string]*operation, 1)
		}
		o.ctx, o.cancel = context.WithCancel(resume.With(context.WithValue(c.ctx, operationKey{}, o), o.reader))
		c.live[m.id] = o
		c.held += size
		c.working++
		c.running.Add(1)
		go o.run(m.params)
	}
	c.mu.Unlock()
	switch {
	case !acked:
		c.shut(CloseUnauthorized, "Unauthorized")
	case taken:
		c.shut(CloseDuplicateID, "Subscriber for "+m.id+" already exists")
	case limited:
		c.cfg().Hooks.OperationRefused()
		list := errorList(apperr.New(apperr.RateLimited, "Too many operations on one socket."))
		_ = c.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, typeError, m.id, list); return nil })
	}
}

// unsubscribe ends an operation at the client's wish, without an answer.
func (c *Conn) unsubscribe(id string) {
	c.mu.Lock()
	o := c.live[id]
	if o != nil {
		c.drop(o)
	}
	c.mu.Unlock()
	if o != nil {
		o.unwanted.Store(true)
		o.cancel()
	}
}

// drop makes the id free again; c.mu is held.
func (c *Conn) drop(o *operation) bool {
	if c.live[o.id] != o {
		return false
	}
	delete(c.live, o.id)
	c.held -= o.size
	return true
}

func (c *Conn) owns(o *operation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[o.id] == o
}

// run answers the operation.
func (o *operation) run(params *graphql.RawParams) {
	errs := o.dispatch(params)
	switch {
	case o.responses == nil:
		o.end(errs)
	case o.reader.Announced():
		o.rest(0)
	case o.rc.Operation.Operation == ast.Subscription:
		go o.pull() // see pull
	default:
		o.pull()
	}
}

// dispatch prepares o.responses, or gives the errors why not.
func (o *operation) dispatch(params *graphql.RawParams) (errs gqlerror.List) {
	defer o.rescue(&errs)
	c := o.c
	ctx := graphql.StartOperationTrace(o.ctx)
	params.Headers = c.header
	now := graphql.Now()
	params.ReadTime = graphql.TraceTiming{Start: now, End: now}
	rc, errs := c.exec.CreateOperationContext(ctx, params)
	o.ctx = graphql.WithOperationContext(ctx, rc)
	if len(errs) > 0 {
		c.cfg().Hooks.OperationRefused()
		return errs
	}
	o.rc, o.start = rc, time.Now()
	c.cfg().Hooks.OperationStarted(string(rc.Operation.Operation))
	if rc.Operation.Operation != ast.Subscription {
		c.answer()
		o.counted = true
	}
	o.responses, o.ctx = c.exec.DispatchOperation(o.ctx, rc)
	return nil
}

// pull sends one response, asked for only when the one before has been written,
// and goes on with a fresh goroutine: Go does not give a stack back of which a
// quarter is in use, so that one which has executed and encoded would keep
// several times what waiting takes.
func (o *operation) pull() {
	more, errs := o.advance()
	switch {
	case !more:
		o.end(errs)
	case o.reader.Announced():
		o.rest(1)
	default:
		go o.pull()
	}
}

// attend is told of each response that is about to come, and of the end. Until
// then a stream that announces them needs no goroutine that waits.
func (o *operation) attend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.announced++
	if !o.pulling {
		o.pulling = true
		go o.pull()
	}
}

// rest goes on when there is more to pull than what was just pulled.
func (o *operation) rest(pulled int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.announced -= pulled
	if o.pulling = o.announced > 0; o.pulling {
		go o.pull()
	}
}

// advance sends one response and tells whether there may be more, and otherwise
// the errors with which the operation ends, if any.
func (o *operation) advance() (more bool, errs gqlerror.List) {
	defer o.rescue(&errs)
	resp := o.responses(o.ctx)
	if resp != nil {
		if err := o.next(resp); errors.Is(err, errEnded) {
			return false, nil
		} else if err != nil {
			return false, lasting.Errors(err)
		}
		o.c.markSent(o)
		// An interceptor may answer a query the same for ever.
		if o.rc.Operation.Operation == ast.Subscription || resp.HasNext != nil && *resp.HasNext {
			return true, nil
		}
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
	o.c.cfg().Log.Error("websocket operation panicked", "socket", o.c.id, "panic", r, "stack", string(debug.Stack()))
	*errs = lasting.Errors(apperr.New(apperr.Internal, internalReason))
}

// end sends the last message and forgets the operation.
func (o *operation) end(errs gqlerror.List) {
	c, told := o.c, false
	defer func() {
		o.cancel()
		c.mu.Lock()
		c.drop(o)
		c.working--
		c.mu.Unlock()
		if o.counted {
			c.answered()
		}
		if told || o.unwanted.Load() {
			o.forget()
		}
		c.running.Done()
	}()
	defer func() {
		if r := recover(); r != nil { // the presenter, or a hook
			c.cfg().Log.Error("websocket operation panicked", "socket", c.id, "panic", r, "stack", string(debug.Stack()))
			told = o.finish(errorList(apperr.New(apperr.Internal, internalReason)))
		}
	}()
	told = o.finish(o.present(o.ctx, errs))
	if !o.start.IsZero() {
		c.cfg().Hooks.OperationEnded(string(o.rc.Operation.Operation), time.Since(o.start), len(errs) > 0)
	}
}

func (o *operation) next(resp *graphql.Response) error {
	return o.c.send(o, func(buf *bytes.Buffer) error { return writeNext(buf, o.id, resp) })
}

// present encodes errs as the error presenter shows them; nil for none.
func (o *operation) present(ctx context.Context, errs gqlerror.List) []byte {
	if len(errs) == 0 {
		return nil
	}
	if resp := o.c.exec.DispatchError(ctx, errs); resp != nil && len(resp.Errors) > 0 {
		errs = resp.Errors
	}
	list, err := json.Marshal(errs)
	if err != nil {
		o.c.cfg().Log.ErrorContext(ctx, "websocket error payload", "socket", o.c.id, "error", err)
		return errorList(apperr.New(apperr.Internal, internalReason))
	}
	return list
}

// finish sends the last message, unless the client has ended the operation: an
// error with the encoded list, or complete without one. The id is free before
// the message leaves, because the client may use it again at once. It tells
// whether the message has left: otherwise the client will ask again.
func (o *operation) finish(list []byte) (told bool) {
	c := o.c
	c.mu.Lock()
	ours := c.drop(o)
	c.mu.Unlock()
	if !ours {
		return false
	}
	kind := typeComplete
	if list != nil {
		kind = typeError
	}
	err := c.send(nil, func(buf *bytes.Buffer) error { writeMessage(buf, kind, o.id, list); return nil })
	return err == nil
}
