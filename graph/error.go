package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/ent/gen/privacy"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

// PresentError is the one place where errors become GraphQL errors. An
// apperr.Error shows its code, its sentence and the argument that was wrong;
// what came from the parser, and arguments that could not be read, are
// BAD_INPUT; anything else shows a fixed sentence and a reference that is in
// the log.
func PresentError(ctx context.Context, err error) *gqlerror.Error {
	shown := graphql.DefaultErrorPresenter(ctx, err)
	argument := cutArgument(ctx, shown)
	all := apperr.List(err)
	if len(all) == 0 {
		return presentOther(ctx, shown, err, argument)
	}
	// A validation that found several problems shows them all, in order.
	last := len(all) - 1
	for _, e := range all[:last] {
		graphql.AddError(ctx, e)
	}
	return present(ctx, shown, all[last], argument)
}

// cutArgument gives the path of the argument that could not be read, which
// gqlgen appends to the field's path, and takes it off there.
func cutArgument(ctx context.Context, shown *gqlerror.Error) []string {
	field := graphql.GetFieldContext(ctx)
	if field == nil || field.Object == "" {
		return nil
	}
	own := len(field.Path())
	if len(shown.Path) <= own {
		return nil
	}
	argument := words(shown.Path[own:])
	shown.Path = shown.Path[:own]
	return argument
}

func words(path ast.Path) []string {
	list := make([]string, len(path))
	for i, step := range path {
		list[i] = fmt.Sprint(step)
	}
	return list
}

func present(ctx context.Context, shown *gqlerror.Error, e *apperr.Error, argument []string) *gqlerror.Error {
	shown.Message = e.Message
	shown.Extensions = map[string]any{"code": string(e.Code)}
	if len(e.Path) > 0 {
		argument = e.Path
	}
	if len(argument) > 0 {
		shown.Extensions["argument"] = argument
	}
	if e.RetryAfter > 0 {
		shown.Extensions["retryAfter"] = int(math.Ceil(e.RetryAfter.Seconds()))
	}
	if cause := errors.Unwrap(e); cause != nil {
		slog.InfoContext(ctx, "request refused", "code", e.Code, "cause", cause)
	}
	return shown
}

// complexityCode is gqlgen's code for an operation with too many fields.
const complexityCode = "COMPLEXITY_LIMIT_EXCEEDED"

// tokenLimit begins gqlparser's sentence about an operation with too many
// tokens, which has no code of its own.
const tokenLimit = "exceeded token limit"

func presentOther(ctx context.Context, shown *gqlerror.Error, err error, argument []string) *gqlerror.Error {
	var fromParser *gqlerror.Error
	if errors.As(err, &fromParser) && fromParser.Err == nil {
		return presentParser(shown)
	}
	switch {
	case argument != nil:
		// The words of the reader of a built-in scalar or of an enum.
		slog.InfoContext(ctx, "request refused", "code", apperr.BadInput, "cause", err)
		return present(ctx, shown, apperr.New(apperr.BadInput, "The value of %s can't be read.", argument[len(argument)-1]), argument)
	case errors.Is(err, privacy.Deny):
		return presentDenied(ctx, shown, err)
	case errors.Is(err, context.DeadlineExceeded):
		return present(ctx, shown, apperr.New(apperr.Timeout, "The call took too long and was stopped."), nil)
	case errors.Is(err, context.Canceled):
		return present(ctx, shown, apperr.New(apperr.Unavailable, "The call was cancelled."), nil)
	}
	reference := store.NewID("err")
	slog.ErrorContext(ctx, "internal error", "reference", reference, "path", shown.Path.String(), "error", err)
	shown.Message = "Something went wrong on our side. The log has it under " + reference + "."
	shown.Extensions = map[string]any{"code": string(apperr.Internal), "reference": reference}
	return shown
}

// presentDenied answers for the data layer, which stops whoever a service let
// through.
func presentDenied(ctx context.Context, shown *gqlerror.Error, err error) *gqlerror.Error {
	slog.InfoContext(ctx, "request refused", "path", shown.Path.String(), "cause", err)
	var refused *apperr.Error
	if _, nobody := auth.Require(ctx); errors.As(nobody, &refused) {
		return present(ctx, shown, refused, nil)
	}
	return present(ctx, shown, apperr.New(apperr.Forbidden, "You may not do this."), nil)
}

// presentParser gives what parser, validation and limits refused our codes.
func presentParser(shown *gqlerror.Error) *gqlerror.Error {
	code, _ := shown.Extensions["code"].(string)
	if shown.Extensions == nil {
		shown.Extensions = map[string]any{}
	}
	// gqlparser puts a variable's place where a field of the answer belongs.
	if len(shown.Path) > 1 && shown.Path[0] == ast.PathName("variable") {
		shown.Extensions["argument"] = words(shown.Path[1:])
		shown.Path = nil
	}
	switch {
	case code == complexityCode, strings.HasPrefix(shown.Message, tokenLimit):
		shown.Extensions["code"] = string(apperr.TooLarge)
	case code == "" || code == "GRAPHQL_VALIDATION_FAILED" || code == "GRAPHQL_PARSE_FAILED":
		shown.Extensions["code"] = string(apperr.BadInput)
	}
	return shown
}

// Recover turns a panic in a resolver into an internal error.
func Recover(ctx context.Context, p any) error {
	slog.ErrorContext(ctx, "panic in a resolver", "panic", p, "stack", string(debug.Stack()))
	return errors.New("panic in a resolver")
}
