package sse

import (
	"net/http"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/server/lasting"
)

// validate checks an operation before its request is answered. It gives the answer
// for what the protocol answers by a status; other errors the stream carries.
func (s *Stream) validate(o *lasting.Operation, method string) (refused *answer) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg().Log.Error("validating an operation panicked", "stream", s.id, "panic", r, "stack", string(debug.Stack()))
			refused = internal()
		}
	}()
	rc, errs := o.Validate(s.Context())
	switch {
	case len(errs) > 0:
		if streamed := rc.Operation != nil || !s.Single() && !unreadable(rc, errs); !streamed {
			return errorAnswer(http.StatusBadRequest, o.Shown())
		}
	case method == http.MethodGet && rc.Operation.Operation == ast.Mutation:
		s.operations.Refuse()
		refused := refusal(http.StatusMethodNotAllowed, apperr.New(apperr.BadInput, "Mutations need POST."))
		refused.Allow = http.MethodPost
		return refused
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
