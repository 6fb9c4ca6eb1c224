package lasting

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/resume"
)

// Operation is one that a client has asked for. It belongs to a Set from Admit
// or Take on.
type Operation struct {
	// ID is the one by which the client knows it, empty on a connection that has
	// no other.
	ID string
	// Size is how many bytes its request holds.
	Size int64
	// Params are its request, nil once it is executed.
	Params *graphql.RawParams
	// Reader learns which responses have left.
	Reader *resume.Reader

	set *Set
	// shown are the errors, as clients see them, because of which it is not executed.
	shown gqlerror.List

	// Of its one goroutine, once it is started.
	rc        *graphql.OperationContext // nil until validated
	ctx       context.Context
	responses graphql.ResponseHandler // nil until dispatched
	begun     time.Time               // zero until dispatched
	answered  bool                    // a response has left
	counted   bool                    // among Set.answering

	cancel    context.CancelFunc // guarded by set.mu; nil until started
	dismissed bool               // guarded by set.mu: the client has ended it

	mu sync.Mutex
	// announced is the number of responses that are there to be pulled, and
	// pulling whether a goroutine does so; see attend.
	announced int
	pulling   bool
}

// Dismissed tells whether the client has ended the operation.
func (o *Operation) Dismissed() bool {
	o.set.mu.Lock()
	defer o.set.mu.Unlock()
	return o.dismissed
}

// Validate reads and checks the request in ctx. An operation that is started
// without is validated then. Errors tell why it can't be executed; started
// nevertheless, it ends with them, as Shown gives them.
func (o *Operation) Validate(ctx context.Context) (*graphql.OperationContext, gqlerror.List) {
	ctx = graphql.StartOperationTrace(ctx)
	params := *o.Params // which may go to another process meanwhile
	now := graphql.Now()
	params.Headers, params.ReadTime = o.set.Sink.Header(), graphql.TraceTiming{Start: now, End: now}
	rc, errs := o.set.Exec.CreateOperationContext(ctx, &params)
	if len(errs) > 0 {
		o.set.Refuse()
		o.shown = o.present(graphql.WithOperationContext(ctx, rc), errs)
		return rc, errs
	}
	o.rc = rc
	return rc, nil
}

// Shown gives the errors of Validate as the error presenter shows them.
func (o *Operation) Shown() gqlerror.List { return o.shown }

// run answers the operation.
func (o *Operation) run() {
	errs := o.dispatch()
	switch {
	case o.responses == nil:
		o.end(errs)
	case o.Reader.Announced():
		o.rest(0)
	case o.streams():
		go o.pull() // see pull
	default:
		o.pull()
	}
}

func (o *Operation) streams() bool { return o.rc.Operation.Operation == ast.Subscription }

// dispatch prepares o.responses, or gives the errors why not.
func (o *Operation) dispatch() (errs gqlerror.List) {
	defer o.rescue(&errs)
	if o.rc == nil && o.shown == nil {
		_, _ = o.Validate(o.ctx) // o.shown has the errors
	}
	o.Params = nil
	if o.shown != nil {
		return nil
	}
	o.ctx = graphql.WithOperationContext(graphql.StartOperationTrace(o.ctx), o.rc)
	o.begun = time.Now()
	if !o.streams() {
		o.counted = true
		o.set.answer()
	}
	o.set.Tell(func() { o.set.Started(string(o.rc.Operation.Operation)) })
	o.responses, o.ctx = o.set.Exec.DispatchOperation(o.ctx, o.rc)
	return nil
}

// pull sends one response, asked for only when the one before has been written,
// and goes on with a fresh goroutine: Go does not give a stack back of which a
// quarter is in use, so that one which has executed and encoded would keep
// several times what waiting takes.
func (o *Operation) pull() {
	more, errs := o.advance()
	switch {
	case !more:
		o.end(errs)
	case o.Reader.Announced():
		o.rest(1)
	default:
		go o.pull()
	}
}

// attend is told of each response that is about to come, and of the end. Until
// then a stream that announces them needs no goroutine that waits.
func (o *Operation) attend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.announced++
	if !o.pulling {
		o.pulling = true
		go o.pull()
	}
}

// rest goes on when there is more to pull than what was just pulled.
func (o *Operation) rest(pulled int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.announced -= pulled
	if o.pulling = o.announced > 0; o.pulling {
		go o.pull()
	}
}

// advance sends one response and tells whether there may be more, and otherwise
// the errors with which the operation ends, if any.
func (o *Operation) advance() (more bool, errs gqlerror.List) {
	defer o.rescue(&errs)
	resp := o.responses(o.ctx)
	if resp != nil {
		if err := o.set.Sink.Next(o, resp); errors.Is(err, ErrEnded) {
			return false, nil
		} else if err != nil {
			return false, Errors(err)
		}
		o.answered = true
		// An interceptor may answer a query the same for ever.
		if o.streams() || resp.HasNext != nil && *resp.HasNext {
			return true, nil
		}
	} else if !o.streams() && !o.answered {
		return false, Errors(o.ctx.Err()) // the time was up before anything was done
	}
	return false, nil
}

// rescue, deferred, makes an error of a panic in execution or an extension.
func (o *Operation) rescue(errs *gqlerror.List) {
	r := recover()
	if r == nil {
		return
	}
	if o.rc != nil {
		*errs = Errors(o.rc.Recover(o.ctx, r))
		return
	}
	o.shown = o.set.broken("an operation panicked", r) // which nobody could present
}

// present gives errs as the error presenter shows them.
func (o *Operation) present(ctx context.Context, errs gqlerror.List) (shown gqlerror.List) {
	defer func() {
		if r := recover(); r != nil {
			shown = o.set.broken("the error presenter panicked", r)
		}
	}()
	if resp := o.set.Exec.DispatchError(ctx, errs); resp != nil && len(resp.Errors) > 0 {
		return resp.Errors
	}
	return errs
}

// end sends what is last and forgets the operation.
func (o *Operation) end(errs gqlerror.List) {
	told := false
	defer func() { o.set.leave(o, told) }()
	defer func() {
		if r := recover(); r != nil { // what an error carries may not encode
			told = o.set.Sink.Finish(o, o.set.broken("an operation panicked at its end", r))
		}
	}()
	if len(errs) > 0 {
		o.shown = o.present(o.ctx, errs)
	}
	told = o.set.Sink.Finish(o, o.shown)
	if !o.begun.IsZero() {
		o.set.Tell(func() {
			o.set.Ended(string(o.rc.Operation.Operation), time.Since(o.begun), len(errs) > 0)
		})
	}
}
