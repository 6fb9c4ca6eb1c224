package sse

import (
	"context"
	"net/http"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
)

// validate prepares o.rc. It gives the answer for what the protocol answers by
// a status, and leaves errors that the stream is to carry in o.errs.
func (o *operation) validate(ctx context.Context, method string) (refused *answer) {
	s := o.s
	defer func() {
		if r := recover(); r != nil {
			s.cfg().Log.Error("validating an operation panicked", "stream", s.id, "panic", r, "stack", string(debug.Stack()))
			refused = internal()
		}
	}()
	ctx = graphql.StartOperationTrace(ctx)
	params := *o.params // which may go to another process meanwhile
	now := graphql.Now()
	params.Headers, params.ReadTime = s.Header(), graphql.TraceTiming{Start: now, End: now}
	rc, errs := s.exec.CreateOperationContext(ctx, &params)
	switch {
	case len(errs) > 0:
		s.hook(s.cfg().Hooks.OperationRefused)
		streamed := rc.Operation != nil || !s.Single() && !unreadable(rc, errs)
		if o.errs = o.present(graphql.WithOperationContext(ctx, rc), errs); !streamed {
			return errorAnswer(http.StatusBadRequest, o.errs)
		}
	case method == http.MethodGet && rc.Operation.Operation == ast.Mutation:
		s.hook(s.cfg().Hooks.OperationRefused)
		refused := refusal(http.StatusMethodNotAllowed, apperr.New(apperr.BadInput, "Mutations need POST."))
		refused.Allow = http.MethodPost
		return refused
	default:
		o.rc = rc
	}
	return nil
}

// unreadable tells whether there is no operation that could be validated.
func unreadable(rc *graphql.OperationContext, errs gqlerror.List) bool {
	if rc.Doc != nil { // and no operation of the name
		return true
	}
	code, _ := errs[0].Extensions["code"].(string)
	return code == errcode.ParseFailed || errs[0].Message == "no operation provided"
}
