package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
)

// Media types of responses; see https://graphql.github.io/graphql-over-http/draft/
const (
	typeJSON     = "application/json"
	typeResponse = "application/graphql-response+json"
)

// post takes operations by POST with a JSON body. gqlgen's own transport
// answers without error codes, and with the body in its message.
type post struct{ profile }

// Supports tells whether the request is one.
func (post) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && mediaType(r) == typeJSON && r.Header.Get("Upgrade") == ""
}

// Do answers it.
func (p post) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	start := graphql.Now()
	var body struct {
		graphql.RawParams
		Query *string `json:"query"` // goes before the one of RawParams
	}
	if err := decode(r.Body, &body); err != nil {
		p.refuseBody(w, r, err, "The body is not a GraphQL request in JSON.")
		return
	}
	if body.Query == nil {
		p.refuse(w, r, malformed, apperr.Argument("query", "The request has no query."))
		return
	}
	params := &body.RawParams
	params.Query, params.Headers = *body.Query, r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	p.answer(w, r, exec, params)
}

// get takes queries, never mutations, by GET.
type get struct{ profile }

// Supports tells whether the request is one.
func (get) Supports(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Upgrade") == ""
}

// Do answers it.
func (g get) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		g.refuse(w, r, unreadable, apperr.New(apperr.BadInput, "The URL's parameters can't be read."))
		return
	}
	now := graphql.Now()
	params := &graphql.RawParams{
		Query: query.Get("query"), OperationName: query.Get("operationName"), Headers: r.Header,
		ReadTime: graphql.TraceTiming{Start: now, End: now},
	}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		if err := decode(strings.NewReader(text), into); err != nil {
			g.refuse(w, r, ofDecoding(err), apperr.Argument(name, "The %s are not a JSON object.", name))
			return
		}
	}
	if params.Query == "" {
		g.refuse(w, r, malformed, apperr.Argument("query", "The request has no query."))
		return
	}
	g.answer(w, r, exec, params)
}

// other answers what no transport takes.
type other struct{}

// Supports takes everything.
func (other) Supports(*http.Request) bool { return true }

// Do says what would have worked.
func (other) Do(w http.ResponseWriter, r *http.Request, _ graphql.GraphExecutor) {
	if r.Method == http.MethodPost {
		refuse(w, http.StatusUnsupportedMediaType, apperr.New(apperr.BadInput, "Send application/json, or multipart/form-data with files."))
		return
	}
	w.Header().Set("Allow", "GET, POST, PUT, DELETE, OPTIONS")
	refuse(w, http.StatusMethodNotAllowed, apperr.New(apperr.BadInput, "Use POST, GET for queries, or a websocket."))
}

func mediaType(r *http.Request) string {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// decode reads exactly one JSON value; numbers keep their digits.
func decode(from io.Reader, into any) error {
	d := json.NewDecoder(from)
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("something follows the JSON value"), err)
	}
	return nil
}

// refuseBody tells a body that is too long from one that is wrong.
func (p profile) refuseBody(w http.ResponseWriter, r *http.Request, err error, sentence string) {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		refuse(w, http.StatusRequestEntityTooLarge, apperr.New(apperr.TooLarge, "A request has at most %d bytes.", long.Limit))
		return
	}
	p.refuse(w, r, ofDecoding(err), apperr.Wrap(err, apperr.BadInput, "%s", sentence))
}

// answer executes an operation and writes its one response.
func (p profile) answer(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams) {
	ctx := r.Context()
	accepted := responseType(r)
	op, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		status, kind := p.answerAs(ofErrors(params.Query, errs), accepted) // before the errors are presented, which changes them
		response := exec.DispatchError(graphql.WithOperationContext(ctx, op), errs)
		// What was not executed has no data, not even null.
		write(w, status, kind, struct {
			Errors gqlerror.List `json:"errors"`
		}{response.Errors})
		return
	}
	switch what := op.Operation.Operation; {
	case what == ast.Subscription:
		p.refuse(w, r, unserved, apperr.New(apperr.BadInput, "Subscriptions need a websocket (graphql-transport-ws), or Accept: text/event-stream."))
		return
	case what == ast.Mutation && r.Method == http.MethodGet:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, apperr.New(apperr.BadInput, "Mutations need POST."))
		return
	}
	respond, ctx := exec.DispatchOperation(ctx, op)
	response := respond(ctx)
	if response == nil { // the time was up before anything was done
		response = exec.DispatchError(graphql.WithOperationContext(r.Context(), op), gqlerror.List{gqlerror.Wrap(ctx.Err())})
	}
	status, kind := p.answerAs(ofResponse(response), accepted)
	if len(response.Data) > 0 && len(response.Errors) == 0 && len(response.Extensions) == 0 {
		writeData(w, kind, response.Data)
		return
	}
	write(w, status, kind, response)
}

// writeData writes a response that has nothing but data. They are JSON already;
// to encode them again would read through all of it once more.
func writeData(w http.ResponseWriter, kind string, data json.RawMessage) {
	const before, after = `{"data":`, `}`
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(before)+len(data)+len(after)))
	w.Header().Set("Cache-Control", noStore)
	for _, part := range [][]byte{[]byte(before), data, []byte(after)} {
		_, _ = w.Write(part)
	}
}

// responseType is the type that the client likes best of those that we can
// give, the first of those that it likes alike (RFC 9110, section 12.5.1).
func responseType(r *http.Request) string {
	best, weight := typeJSON, 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		t, params, _ := mime.ParseMediaType(strings.TrimSpace(part))
		switch t {
		case typeResponse, typeJSON:
		case "application/*", "*/*":
			t = typeJSON
		default:
			continue
		}
		q := 1.0
		if text := params["q"]; text != "" { // most have none
			if given, err := strconv.ParseFloat(text, 64); err == nil {
				q = given
			}
		}
		if q > weight {
			best, weight = t, q
		}
	}
	return best
}

func write(w http.ResponseWriter, status int, kind string, response any) {
	body, err := json.Marshal(response)
	if err != nil {
		slog.Error("a response could not be encoded", "error", err)
		refuse(w, http.StatusInternalServerError, apperr.New(apperr.Internal, "Something went wrong on our side."))
		return
	}
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.Header().Set("Cache-Control", noStore)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// noStore keeps answers out of the caches of proxies and browsers, where what is
// erased here would live on.
const noStore = "no-store"

// refuse answers a request that is no operation that can be executed.
func (p profile) refuse(w http.ResponseWriter, r *http.Request, what outcome, e *apperr.Error) {
	status, kind := p.answerAs(what, responseType(r))
	refuseAs(w, status, kind, e)
}

// refuse answers a request that is none to GraphQL.
func refuse(w http.ResponseWriter, status int, e *apperr.Error) { refuseAs(w, status, typeJSON, e) }

func refuseAs(w http.ResponseWriter, status int, kind string, e *apperr.Error) {
	var body bytes.Buffer
	extensions := map[string]any{"code": e.Code}
	if len(e.Path) > 0 {
		extensions["argument"] = e.Path
	}
	_ = json.NewEncoder(&body).Encode(map[string]any{
		"errors": []any{map[string]any{"message": e.Message, "extensions": extensions}},
	})
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
