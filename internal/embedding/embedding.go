// Package embedding gives vectors of texts and pictures while somebody waits, for a
// search. The vectors come from the workers' models, by request and reply with a deadline;
// those of texts are kept, and equal texts that are asked at once share a request.
package embedding

import (
	"errors"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"parley/internal/jobspec"
)

// Why there is no vector. Whoever searches does without it; what a caller did wrong is an
// *InputError.
var (
	// ErrNoWorker says that no worker has the model; it comes at once.
	ErrNoWorker = errors.New("no worker has a model that embeds this")
	// ErrDeadline says that the answer did not come in time.
	ErrDeadline = errors.New("no vector came in time")
	// ErrOverloaded says that the worker holds as many queries as it may; it comes at once.
	ErrOverloaded = errors.New("the worker has too many queries")
	// ErrFailed says that the model or the way to it is at fault.
	ErrFailed = errors.New("the vector could not be made")
)

// InputError is a text or picture that has no vector, in words for its owner.
type InputError struct{ Message string }

// Error gives the words.
func (e *InputError) Error() string { return e.Message }

// Model is a model that embeds, as workers that are there announce it.
type Model struct {
	// Name is the bundle's; of two of one name the digests differ.
	Name string
	jobspec.Space
}

// Vector is what a model gives: numbers, of length 1 together.
type Vector struct {
	// Model and Digest tell which model. Vectors can be compared where the digests are
	// equal.
	Model, Digest string
	// Values must not be changed: callers share them.
	Values []float32
}

// Normalize gives the form of a text in which it is embedded and counted: compatibility
// forms joined (NFKC), case folded, white space collapsed to single spaces and none at the
// ends. Texts of one form have one vector.
func Normalize(text string) string {
	// Folding may leave what joins anew.
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text)))
	return strings.Join(strings.Fields(folded), " ")
}
