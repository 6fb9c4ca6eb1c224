// Package worker takes work off JOBS, gives it to the handlers of its models and
// reports what became of it on RESULTS. It knows no database: who asked, and
// whether there is another try, is the API's business.
package worker

import (
	"context"
	"encoding/json"
	"errors"

	"parley/internal/jobspec"
)

// Handler does the work of one bundle. Its methods are called from many
// goroutines at once, as many as the worker has slots. A Handler that is also a
// lifecycle.Service is run by the worker for as long as there may be tasks.
type Handler interface {
	// Bundle says what the handler serves. Its kind and pool never change.
	Bundle() jobspec.Bundle
	// Handle does one task and returns the kind's own output as JSON. It stops
	// when ctx ends. progress may be called any number of times with the share that
	// is done, 0 to 1, and the whole text so far or "".
	//
	// An error with a method JobCode() jobspec.Code somewhere in its tree fails
	// the attempt with that code and with that error's own words, which the
	// owner reads. Any other error is INTERNAL, and its words stay in the log.
	Handle(ctx context.Context, t Task, progress func(share float64, partial string)) (json.RawMessage, error)
}

// Task is one attempt at a run, as a Handler sees it.
type Task struct {
	Run     string
	Attempt int
	Kind    string
	Payload json.RawMessage
	// Alone asks not to be batched with others: the attempt was handed out
	// before and its worker did not live to report.
	Alone bool
	// Recorded is what an earlier attempt kept, nil to begin. A handler that can't use
	// it begins anew.
	Recorded json.RawMessage
	// Keep takes what another attempt needs to go on from here, as a value that becomes
	// JSON and is not changed any more. It is stored before the words of the next call
	// of progress are told, now and then, not each time.
	Keep func(record any)
	// Show takes a small picture of how far a picture has come, a PNG file of at most
	// jobspec.MaxPreview bytes; the next call of progress tells of it.
	Show func(preview []byte)
	// Stopped is closed once the owner wants no more than what there is so far. A handler
	// that has something to give then gives it as its output; another one goes on.
	Stopped <-chan struct{}
}

// codedError is what pipelines' errors look like.
type codedError interface {
	error
	JobCode() jobspec.Code
}

// internalMessage is what an owner reads of an error that is not meant for them.
const internalMessage = "The work failed for a reason on our side."

// failureOf turns a handler's error into what the owner may read.
func failureOf(err error) jobspec.Failure {
	var coded codedError
	if errors.As(err, &coded) && coded.JobCode() != "" {
		if coded.JobCode() == jobspec.CodeInternal {
			return jobspec.Failure{Code: jobspec.CodeInternal, Message: internalMessage}
		}
		return jobspec.Failure{Code: coded.JobCode(), Message: coded.Error()}
	}
	return jobspec.Failure{Code: jobspec.CodeInternal, Message: internalMessage}
}
