package server

import (
	"net/http"
	"net/url"
	"time"

	"parley/internal/apperr"
	"parley/internal/feedback"
)

// exportFeedback streams the votes on public stickers, in the memory of one chunk. The
// viewer must be an analyst or an admin.
func (s *Server) exportFeedback(format feedback.Format) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			plain(w, http.StatusMethodNotAllowed, "A download needs GET.")
			return
		}
		out := &download{ResponseWriter: w, control: http.NewResponseController(w), name: "feedback", format: string(format)}
		since, until, err := exportTimes(r.URL.Query())
		if err == nil {
			_, err = s.cfg.Resolver.FeedbackService.Export(r.Context(), out, format, since, until)
		}
		if err != nil {
			out.fail(r, err)
			return
		}
		out.begin() // an empty list is a download too
	})
}

func exportTimes(query url.Values) (since, until *time.Time, err error) {
	for name := range query {
		if name != "since" && name != "until" {
			// Left alone, a slip of the pen would download everything.
			return nil, nil, apperr.Argument(name, "The parameters are since and until.")
		}
		at, err := time.Parse(time.RFC3339, query.Get(name))
		if err != nil {
			return nil, nil, apperr.Argument(name, "%s is a time by RFC 3339, for example 2026-11-21T07:37:00Z.", name)
		}
		if name == "since" {
			since = &at
		} else {
			until = &at
		}
	}
	return since, until, nil
}
