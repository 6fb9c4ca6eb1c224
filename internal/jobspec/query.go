package jobspec

import (
	"encoding/json"
	"errors"
)

// QueryGroup is the queue group of the workers on every query subject: each query goes
// to one of them.
const QueryGroup = "workers"

// QuerySubject is where queries of a kind about a model are asked on core NATS, by
// request and reply. What a model answers follows from its digest, so that workers that
// have the same one share the queries, and no other answers.
func QuerySubject(kind, digest string) string { return "query." + kind + "." + Token(digest) }

// ErrNoWorker says that no worker listens where a query is asked.
var ErrNoWorker = errors.New("no worker has the model")

// Query is a short question for which somebody waits. It is not kept: what is not
// answered in time is asked again or done without.
type Query struct {
	// Within is how many milliseconds the answer is wanted for, counted from when the
	// worker is handed the query: clocks of two machines may differ by more than that.
	Within int64 `json:"within"`
	// Payload is the kind's own, for example EmbedQuery.
	Payload json.RawMessage `json:"payload"`
}

// Answer is the reply to a Query: one of the fields is set. A query whose time is up gets
// none.
type Answer struct {
	// Payload is the kind's own, for example EmbedAnswer.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Failure is CodeOverloaded where the worker holds as many queries as it may; it
	// comes at once.
	Failure *Failure `json:"failure,omitempty"`
}
