package model

import (
	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/pipeline"
)

// withCode makes a pipeline's error one that the worker can tell: a code, and words
// for the owner. The end of a context stays what it is.
func withCode(err error) error {
	if f, ok := pipeline.FailureOf(err); ok {
		return &worker.Error{Code: f.Code, Message: f.Message, Cause: err}
	}
	return err
}

// isRefused tells whether an input can't be used. What an attempt before kept is a part of
// it, which a model that was exchanged meanwhile may not know.
func isRefused(err error) bool {
	f, ok := pipeline.FailureOf(err)
	return ok && f.Code == jobspec.CodeInvalidInput
}
