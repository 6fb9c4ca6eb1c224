package worker

import "parley/internal/jobspec"

// Error is a failure with a code and a sentence that its owner may read. The
// cause is for the log.
type Error struct {
	Code    jobspec.Code
	Message string
	Cause   error
}

// Error gives the sentence alone.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// JobCode gives the code.
func (e *Error) JobCode() jobspec.Code { return e.Code }
