package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
)

// statusPartial is the draft's own 294 Partial Success, which is not IANA's.
const statusPartial = 294

// outcome is what became of a request at /graphql, as far as its status tells.
type outcome int

const (
	// unreadable is no JSON, or a URL whose escapes are wrong.
	unreadable outcome = iota
	// malformed is JSON that is no GraphQL request: without a query, or with a
	// parameter of a wrong type.
	malformed
	// unparsed is a document that is not GraphQL.
	unparsed
	// invalid failed before its execution: it broke a rule of validation or a
	// limit, has not the operation that is named, or variables that don't fit.
	invalid
	// unserved is a subscription, which needs another transport.
	unserved
	// unavailable is what can't be done now, and perhaps can elsewhere: the server
	// drains, or the database that knows API keys does not answer.
	unavailable
	// partial was executed and has errors, also where its data are null.
	partial
	// complete was executed and has no errors.
	complete
)

// statuses gives each outcome's status. For clients that accept only
// application/json, and for those that accept application/graphql-response+json,
// it is what the audits of graphql-http 1.23 ask, which follow the drafts of
// GraphQL over HTTP of 2025. draft is what the drafts since July 2026, and the
// first edition of September 2026, recommend for both, section "Status Codes";
// they say nothing of subscriptions, which are understood and can't be processed,
// their 422.
var statuses = map[outcome]struct{ json, response, draft int }{
	unreadable:  {http.StatusBadRequest, http.StatusBadRequest, http.StatusBadRequest},
	malformed:   {http.StatusBadRequest, http.StatusBadRequest, http.StatusUnprocessableEntity},
	unparsed:    {http.StatusOK, http.StatusBadRequest, http.StatusBadRequest},
	invalid:     {http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity},
	unserved:    {http.StatusBadRequest, http.StatusBadRequest, http.StatusUnprocessableEntity},
	unavailable: {http.StatusServiceUnavailable, http.StatusServiceUnavailable, http.StatusServiceUnavailable},
	partial:     {http.StatusOK, http.StatusOK, statusPartial},
	complete:    {http.StatusOK, http.StatusOK, http.StatusOK},
}

// profile chooses status and media type of the answers at /graphql. Its zero
// value is the one that all audits pass.
type profile struct{ draft bool }

// answerAs gives the status and the media type of an answer to a client that
// accepts the given type. The draft has application/json for successes only: a
// client can't know who wrote another one, unless it says that it is GraphQL.
func (p profile) answerAs(what outcome, accepted string) (status int, kind string) {
	row := statuses[what]
	switch {
	case p.draft && row.draft >= http.StatusMultipleChoices:
		return row.draft, typeResponse
	case p.draft:
		return row.draft, accepted
	case accepted == typeResponse:
		return row.response, accepted
	default:
		return row.json, accepted
	}
}

// ofDecoding tells JSON of the wrong shape from what is no JSON.
func ofDecoding(err error) outcome {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return malformed
	}
	return unreadable
}

// ofErrors tells why an operation was not executed.
func ofErrors(query string, errs gqlerror.List) outcome {
	if strings.TrimSpace(query) == "" { // gqlparser accepts a document of nothing
		return unparsed
	}
	for _, err := range errs {
		switch {
		case err.Extensions["code"] == errcode.ParseFailed:
			return unparsed
		case apperr.Is(err, apperr.Unavailable):
			return unavailable
		}
	}
	return invalid
}

// ofResponse tells how an execution went.
func ofResponse(response *graphql.Response) outcome {
	if len(response.Errors) > 0 {
		return partial
	}
	return complete
}
