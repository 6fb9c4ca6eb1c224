package sse

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
)

// answer is what a request gets that opens no stream. It travels between
// processes.
type answer struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"`
	// After is how many seconds to wait before trying again, 0 for none.
	After int `json:"after,omitempty"`
	// Allow are the methods of a 405.
	Allow string `json:"allow,omitempty"`
	// Gone tells another process that the token is not here any more.
	Gone bool `json:"gone,omitempty"`
	// Waiting are the operations of a reservation that another process takes over.
	Waiting []waiting `json:"waiting,omitempty"`
}

func refusal(status int, e *apperr.Error) *answer {
	extensions := map[string]any{"code": e.Code}
	if len(e.Path) > 0 {
		extensions["argument"] = e.Path
	}
	a := errorAnswer(status, gqlerror.List{{Message: e.Message, Extensions: extensions}})
	if e.RetryAfter > 0 {
		a.After = int(math.Ceil(e.RetryAfter.Seconds()))
		extensions["retryAfter"] = a.After
		a.Body = errorBody(gqlerror.List{{Message: e.Message, Extensions: extensions}})
	}
	return a
}

func errorAnswer(status int, list gqlerror.List) *answer {
	return &answer{Status: status, Body: errorBody(list)}
}

func errorBody(list gqlerror.List) json.RawMessage {
	body, err := json.Marshal(struct {
		Errors gqlerror.List `json:"errors"`
	}{list})
	if err != nil { // an extension that a resolver's error brought
		body, _ = json.Marshal(map[string]any{"errors": internalErrors()})
	}
	return body
}

func restarting() *answer {
	e := apperr.New(apperr.Unavailable, "The server restarts.")
	e.RetryAfter = time.Second
	return refusal(http.StatusServiceUnavailable, e)
}

func notFound() *answer {
	return refusal(http.StatusNotFound, apperr.NotFoundf("There is no such stream: reserve one with PUT."))
}

const internalSentence = "Something went wrong on our side."

func internal() *answer {
	return errorAnswer(http.StatusInternalServerError, internalErrors())
}

func internalErrors() gqlerror.List {
	return gqlerror.List{{Message: internalSentence, Extensions: map[string]any{"code": apperr.Internal}}}
}

// turnedAway is the answer for an error of Config.Open.
func turnedAway(err error) *answer {
	e := apperr.Wrap(err, apperr.CodeOf(err), "You may not open a stream.")
	if all := apperr.List(err); len(all) > 0 {
		e = all[0]
	}
	switch e.Code {
	case apperr.Unauthenticated:
		return refusal(http.StatusUnauthorized, e)
	case apperr.RateLimited:
		return refusal(http.StatusTooManyRequests, e)
	case apperr.Unavailable, apperr.Timeout:
		return refusal(http.StatusServiceUnavailable, e)
	case apperr.Internal:
		return refusal(http.StatusServiceUnavailable, apperr.New(apperr.Unavailable, "A stream can't be opened now."))
	}
	return refusal(http.StatusForbidden, e)
}

// reply writes an answer.
func (t *Transport) reply(w http.ResponseWriter, r *http.Request, a *answer) {
	if a.Status == http.StatusServiceUnavailable && r.Method == http.MethodGet && tokenOf(r) == "" {
		t.comeBack(w)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if a.After > 0 {
		h.Set("Retry-After", strconv.Itoa(a.After))
	}
	if a.Allow != "" {
		h.Set("Allow", a.Allow)
	}
	if len(a.Body) > 0 {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// comeBack asks an EventSource to try again: it gives up for good on any status
// but 200.
func (t *Transport) comeBack(w http.ResponseWriter) {
	setHeaders(w.Header())
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(t.retryHint()))
}

// retryHint is a different time for each client, so that they do not all come
// back at once.
func (t *Transport) retryHint() string {
	wait := t.cfg.Retry/2 + rand.N(t.cfg.Retry)
	return fmt.Sprintf("retry: %d\n\n", wait.Milliseconds())
}

func setHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
}
