package sse

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"parley/internal/apperr"
	"parley/internal/server/lasting"
)

// TokenHeader is the header with the token of a stream.
const TokenHeader = "X-GraphQL-Event-Stream-Token"

// tokenHeader is how requests hold it, made once: every request is asked for it.
var tokenHeader = http.CanonicalHeaderKey(TokenHeader)

const eventStream = "text/event-stream"

func tokenOf(r *http.Request) string {
	if tokens := r.Header[tokenHeader]; len(tokens) > 0 && tokens[0] != "" {
		return tokens[0]
	}
	if !strings.Contains(r.URL.RawQuery, "token=") {
		return ""
	}
	return r.URL.Query().Get("token")
}

// wantsEvents tells whether the client would rather have an event stream than
// a single response. Clients that take either name JSON first, or alone.
func wantsEvents(r *http.Request) bool {
	// Every request comes by here, and few want one.
	if !slices.ContainsFunc(r.Header["Accept"], func(v string) bool { return strings.Contains(strings.ToLower(v), eventStream) }) {
		return false
	}
	best, bestWeight := "", 0.0
	for kind, weight := range accepted(r) {
		switch kind {
		case eventStream, "application/json", "application/graphql-response+json", "application/*", "*/*":
			if weight > bestWeight {
				best, bestWeight = kind, weight
			}
		}
	}
	return best == eventStream
}

// accepts tells whether the client takes one of the types, which it does
// without an Accept header.
func accepts(r *http.Request, types ...string) bool {
	if len(r.Header.Values("Accept")) == 0 {
		return true
	}
	for kind, weight := range accepted(r) {
		for _, t := range types {
			if weight > 0 && (kind == t || kind == "*/*") {
				return true
			}
		}
	}
	return false
}

// accepted gives the types of the Accept header, in their order, with their
// weights.
func accepted(r *http.Request) func(yield func(string, float64) bool) {
	return func(yield func(string, float64) bool) {
		for _, line := range r.Header.Values("Accept") {
			for part := range strings.SplitSeq(line, ",") {
				kind, params, err := mime.ParseMediaType(strings.TrimSpace(part))
				if err != nil {
					continue
				}
				weight := 1.0
				if q, ok := params["q"]; ok {
					if weight, err = strconv.ParseFloat(q, 64); err != nil {
						continue
					}
				}
				if !yield(kind, weight) {
					return
				}
			}
		}
	}
}

// readParams gives the operation of a GET or POST and the bytes that it holds,
// or the answer why there is none. It refuses what the reference server
// refuses.
func readParams(r *http.Request) (*graphql.RawParams, int64, *answer) {
	if r.Method == http.MethodGet {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, 0, badRequest("The URL's parameters can't be read.")
		}
		params, refused := paramsOfURL(query)
		return params, int64(len(r.URL.RawQuery)), refused
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, 0, refusal(http.StatusUnsupportedMediaType, apperr.New(apperr.BadInput, "Send application/json."))
	}
	body, err := io.ReadAll(r.Body)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, 0, refusal(http.StatusRequestEntityTooLarge, apperr.New(apperr.TooLarge, "A request has at most %d bytes.", long.Limit))
	case err != nil:
		return nil, 0, badRequest("The body could not be read.")
	}
	params, refused := paramsOfBody(body)
	return params, int64(len(body)), refused
}

func badRequest(sentence string) *answer {
	return refusal(http.StatusBadRequest, apperr.New(apperr.BadInput, "%s", sentence))
}

func badArgument(name, sentence string) *answer {
	return refusal(http.StatusBadRequest, apperr.Argument(name, "%s", sentence))
}

// paramsOfURL reads the parameters of a GET.
func paramsOfURL(query url.Values) (*graphql.RawParams, *answer) {
	if !query.Has("query") {
		return nil, badArgument("query", "The query is missing.")
	}
	params := &graphql.RawParams{Query: valid(query.Get("query")), OperationName: valid(query.Get("operationName"))}
	ok := false
	if params.Variables, ok = lasting.Values([]byte(query.Get("variables"))); !ok {
		return nil, badArgument("variables", "The variables are not a JSON object.")
	}
	if params.Extensions, ok = lasting.Values([]byte(query.Get("extensions"))); !ok {
		return nil, badArgument("extensions", "The extensions are not a JSON object.")
	}
	return params, nil
}

// valid makes text of bytes, as encoding/json does for those in a body.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// paramsOfBody reads the body of a POST. Unknown fields are ignored.
func paramsOfBody(body []byte) (*graphql.RawParams, *answer) {
	fields, ok := lasting.Object(body)
	if !ok {
		return nil, badRequest("The body is not a GraphQL request in JSON.")
	}
	params, wrong := lasting.Params(fields)
	switch wrong {
	case "":
		return params, nil
	case "query":
		return nil, badArgument(wrong, "The query is missing, or no text.")
	case "operationName":
		return nil, badArgument(wrong, "The operationName is no text.")
	default:
		return nil, badArgument(wrong, "The "+wrong+" are not a JSON object.")
	}
}

// maxID is the longest id of an operation in bytes.
const maxID = 256

// operationID gives the id in extensions.operationId, a text or a number.
func operationID(extensions map[string]any) (string, *answer) {
	id := ""
	switch v := extensions["operationId"].(type) {
	case string:
		id = v
	case json.Number:
		id = v.String()
	}
	if id == "" {
		return "", badArgument("operationId", "The operation needs an id in extensions.operationId.")
	}
	if len(id) > maxID {
		return "", badArgument("operationId", "The id of an operation has at most 256 bytes.")
	}
	return id, nil
}
