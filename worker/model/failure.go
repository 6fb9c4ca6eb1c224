package model

import (
	"parley/worker"
	"parley/worker/pipeline"
)

// told is a pipeline's error as the worker tells it: with a code and words for the
// owner where it has some. The end of a context stays what it is.
func told(err error) error {
	if f, ok := pipeline.FailureOf(err); ok {
		return &worker.Error{Code: f.Code, Message: f.Message, Cause: err}
	}
	return err
}
