package lasting

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Sink is a connection as its operations see it. Of each operation it is called
// by one goroutine at a time.
type Sink interface {
	// Header gives the headers with which the connection's operations are executed.
	Header() http.Header
	// Log takes what goes wrong, and says with which connection.
	Log() *slog.Logger
	// Next sends a response. It gives ErrEnded where nobody wants it any more; with
	// any other error, of what can't be encoded, the operation ends.
	Next(o *Operation, resp *graphql.Response) error
	// Finish sends what is last: the errors with which the operation ends, or that
	// it is complete. It makes the operation's id free before, with Set.Drop, because
	// the client may use it again at once, and tells whether the client was told.
	// Where the client has ended the operation, or the connection has ended, it
	// sends what its protocol wants then.
	Finish(o *Operation, errs gqlerror.List) (told bool)
	// Returned is called last of all. over is true when the client will not ask for
	// the operation again: it was told the end, or wished it.
	Returned(o *Operation, over bool)
}

// ErrEnded tells that nothing of an operation can be sent any more.
var ErrEnded = errors.New("the operation or its connection has ended")
