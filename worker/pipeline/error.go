package pipeline

import (
	"context"
	"errors"
	"fmt"

	"parley/internal/jobspec"
	"parley/worker/bundle"
)

// Error is a failure that may be told to whoever asked: a code of the wire
// contract and a sentence.
type Error struct {
	Code    jobspec.Code
	Message string
	cause   error
}

// Error gives the sentence and, for the log, the cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.cause)
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// NewError makes an Error without a cause.
func NewError(code jobspec.Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FailureOf gives what the owner may read of an error of a pipeline; ok is false
// when the error only says that the context ended.
func FailureOf(err error) (f jobspec.Failure, ok bool) {
	var e *Error
	switch {
	case errors.As(err, &e):
		return jobspec.Failure{Code: e.Code, Message: e.Message}, true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return jobspec.Failure{}, false
	}
	return jobspec.Failure{Code: jobspec.CodeInternal, Message: "The worker failed."}, true
}

// ModelError puts a code on an error of a bundle or of a run: MODEL_MISSING or
// MODEL_BROKEN. The end of a context and an *Error stay what they are.
func ModelError(name string, err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, bundle.ErrMissing):
		return &Error{Code: jobspec.CodeModelMissing, Message: fmt.Sprintf("The model %s is missing.", name), cause: err}
	}
	return &Error{Code: jobspec.CodeModelBroken, Message: fmt.Sprintf("The model %s could not run.", name), cause: err}
}
