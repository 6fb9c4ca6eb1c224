package graph

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/store"
)

// PresentError is the one place where errors become GraphQL errors. An
// apperr.Error shows its code, its sentence and the argument that was wrong;
// what came from the parser is BAD_INPUT; anything else shows a fixed sentence
// and a reference that is in the log.
func PresentError(ctx context.Context, err error) *gqlerror.Error {
	shown := graphql.DefaultErrorPresenter(ctx, err)
	all := apperr.List(err)
	if len(all) == 0 {
		return presentOther(ctx, shown, err)
	}
	// A validation that found several problems shows them all, in order.
	last := len(all) - 1
	for _, e := range all[:last] {
		graphql.AddError(ctx, e)
	}
	return present(ctx, shown, all[last])
}

func present(ctx context.Context, shown *gqlerror.Error, e *apperr.Error) *gqlerror.Error {
	shown.Message = e.Message
	shown.Extensions = map[string]any{"code": string(e.Code)}
	if len(e.Path) > 0 {
		shown.Extensions["argument"] = e.Path
	}
	if e.RetryAfter > 0 {
		shown.Extensions["retryAfter"] = int(math.Ceil(e.RetryAfter.Seconds()))
	}
	if cause := errors.Unwrap(e); cause != nil {
		slog.InfoContext(ctx, "request refused", "code", e.Code, "cause", cause)
	}
	return shown
}

func presentOther(ctx context.Context, shown *gqlerror.Error, err error) *gqlerror.Error {
	var fromParser *gqlerror.Error
	if errors.As(err, &fromParser) && fromParser.Err == nil {
		if shown.Extensions == nil {
			shown.Extensions = map[string]any{}
		}
		if code, _ := shown.Extensions["code"].(string); code == "" || code == "GRAPHQL_VALIDATION_FAILED" || code == "GRAPHQL_PARSE_FAILED" {
			shown.Extensions["code"] = string(apperr.BadInput)
		}
		return shown
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		shown.Message = "The call took too long and was stopped."
		shown.Extensions = map[string]any{"code": string(apperr.Timeout)}
		return shown
	case errors.Is(err, context.Canceled):
		shown.Message = "The call was cancelled."
		shown.Extensions = map[string]any{"code": string(apperr.Unavailable)}
		return shown
	}
	reference := store.NewID("err")
	slog.ErrorContext(ctx, "internal error", "reference", reference, "path", shown.Path.String(), "error", err)
	shown.Message = "Something went wrong on our side. The log has it under " + reference + "."
	shown.Extensions = map[string]any{"code": string(apperr.Internal), "reference": reference}
	return shown
}

// Recover turns a panic in a resolver into an internal error.
func Recover(ctx context.Context, p any) error {
	slog.ErrorContext(ctx, "panic in a resolver", "panic", p)
	return errors.New("panic in a resolver")
}
