// Package apperr is the one error type that reaches clients: a stable code, a
// sentence for people, and where it helps the argument that was wrong.
// Everything else that goes wrong is an internal error whose words stay in the
// log.
package apperr

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code is a stable word that clients may switch on.
type Code string

// The codes of the API (extensions.code).
const (
	BadInput              Code = "BAD_INPUT"
	Unauthenticated       Code = "UNAUTHENTICATED"
	Forbidden             Code = "FORBIDDEN"
	NotFound              Code = "NOT_FOUND"
	Conflict              Code = "CONFLICT"
	IdempotencyMismatch   Code = "IDEMPOTENCY_MISMATCH"
	UnsupportedLanguage   Code = "UNSUPPORTED_LANGUAGE"
	ModelMissing          Code = "MODEL_MISSING"
	RateLimited           Code = "RATE_LIMITED"
	TooLarge              Code = "TOO_LARGE"
	Unavailable           Code = "UNAVAILABLE"
	Timeout               Code = "TIMEOUT"
	Internal              Code = "INTERNAL"
	PersistedQueryMissing Code = "PERSISTED_QUERY_NOT_FOUND"
)

// Error is an error whose Message a client may read.
type Error struct {
	Code    Code
	Message string
	// Path names the wrong argument from the input down, for example
	// ["input", "title"]; empty when no single argument is to blame.
	Path []string
	// RetryAfter says when a refused call may come back; 0 when unknown.
	RetryAfter time.Duration
	cause      error
}

// Error gives code, message and, for the log, the cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap gives the cause, which only the log sees.
func (e *Error) Unwrap() error { return e.cause }

// New makes an error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an error that keeps its cause for the log.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.cause = cause
	return e
}

// Input is a BAD_INPUT about one field of the mutation's input.
func Input(field, format string, args ...any) *Error {
	e := New(BadInput, format, args...)
	e.Path = []string{"input", field}
	return e
}

// Argument is a BAD_INPUT about one bare argument.
func Argument(name, format string, args ...any) *Error {
	e := New(BadInput, format, args...)
	e.Path = []string{name}
	return e
}

// Limited is a RATE_LIMITED that says when to come back.
func Limited(retryAfter time.Duration, format string, args ...any) *Error {
	e := New(RateLimited, format, args...)
	e.RetryAfter = retryAfter
	return e
}

// NotFoundf is the answer for what does not exist and for what the viewer may
// not see alike.
func NotFoundf(format string, args ...any) *Error { return New(NotFound, format, args...) }

// CodeOf gives the code of the first Error in err's tree, Timeout for an
// expired deadline, and Internal for anything else.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	return Internal
}

// Is tells whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// List gives the Errors in a tree of joined errors, in order. A validation
// that finds several problems reports them all this way.
func List(err error) []*Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // walks the tree itself
		return []*Error{e}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, one := range joined.Unwrap() {
			all = append(all, List(one)...)
		}
		return all
	}
	return List(errors.Unwrap(err))
}
