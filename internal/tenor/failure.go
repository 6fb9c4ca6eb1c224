package tenor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"parley/internal/apperr"
)

// failure is an error as Google's APIs answer it: google.aip.dev/193.
type failure struct {
	Error struct {
		// Code is that of HTTP, Status its name in google.rpc.Code.
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Status  string   `json:"status"`
		Details []detail `json:"details"`
	} `json:"error"`
}

// detail is a google.rpc.ErrorInfo. Its reason is one of parley's codes.
type detail struct {
	Type     string            `json:"@type"`
	Reason   apperr.Code       `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// status is a code of HTTP with its name in google.rpc.Code.
type status struct {
	code int
	name string
}

var statuses = map[apperr.Code]status{
	apperr.BadInput:            {http.StatusBadRequest, "INVALID_ARGUMENT"},
	apperr.UnsupportedLanguage: {http.StatusBadRequest, "INVALID_ARGUMENT"},
	apperr.Unauthenticated:     {http.StatusUnauthorized, "UNAUTHENTICATED"},
	apperr.Forbidden:           {http.StatusForbidden, "PERMISSION_DENIED"},
	apperr.NotFound:            {http.StatusNotFound, "NOT_FOUND"},
	apperr.RateLimited:         {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	apperr.Unavailable:         {http.StatusServiceUnavailable, "UNAVAILABLE"},
	apperr.Timeout:             {http.StatusGatewayTimeout, "DEADLINE_EXCEEDED"},
	apperr.Internal:            {http.StatusInternalServerError, "INTERNAL"},
}

// parameters are the names that clients know for what services call otherwise.
var parameters = map[string]string{"query": "q", "prefix": "q", "after": "pos", "first": "limit", "stickerId": "id"}

// fail answers an error. Its words name no key: the address of the request is in none.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	code := apperr.CodeOf(err)
	s, ok := statuses[code]
	if !ok {
		code, s = apperr.Internal, statuses[apperr.Internal]
	}
	message, about := "Something went wrong on our side.", ""
	if code == apperr.Timeout {
		message = "This took too long: try again."
	}
	if all := apperr.List(err); ok && len(all) > 0 {
		message = all[0].Message
		if n := len(all[0].Path); n > 0 {
			about = all[0].Path[n-1]
		}
		if wait := all[0].RetryAfter; wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		}
	} else if code == apperr.Internal && !errors.Is(err, context.Canceled) {
		slog.ErrorContext(r.Context(), "an answer to a client of Tenor failed", "path", r.URL.Path, "error", err)
	}
	refuse(w, s, code, message, about)
}

// refuseMethod answers that an address is not for the method.
func refuseMethod(w http.ResponseWriter, to route) {
	allowed := http.MethodGet
	if to.writes {
		allowed += ", " + http.MethodPost
	}
	w.Header().Set("Allow", allowed)
	refuse(w, status{http.StatusMethodNotAllowed, "UNIMPLEMENTED"}, apperr.BadInput, "The methods of this address: "+allowed+".", "")
}

func refuse(w http.ResponseWriter, s status, code apperr.Code, message, about string) {
	f := failure{}
	info := detail{Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: code, Domain: "parley"}
	if about != "" {
		if known := parameters[about]; known != "" {
			about = known
		}
		info.Metadata = map[string]string{"parameter": about}
	}
	f.Error.Code, f.Error.Message, f.Error.Status, f.Error.Details = s.code, message, s.name, []detail{info}
	body, err := json.Marshal(f)
	if err != nil {
		slog.Error("an error for a client of Tenor can't be encoded", "error", err)
	}
	respond(w, s.code, noStore, body)
}
