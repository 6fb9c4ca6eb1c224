package server

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/langtag"
)

// maxStall is how long the reader of a download may accept nothing.
const maxStall = 30 * time.Second

// export streams the dialogs that their customers agreed to, in the memory of
// one chunk. The viewer must be an analyst or an admin.
func (s *Server) export(format dialog.Format) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			plain(w, http.StatusMethodNotAllowed, "A download needs GET.")
			return
		}
		out := &download{ResponseWriter: w, control: http.NewResponseController(w), name: "dialogs", format: string(format)}
		f, err := exportFilter(r.URL.Query())
		if err == nil {
			_, err = s.cfg.Resolver.DialogService.Export(r.Context(), out, format, f)
		}
		if err != nil {
			out.fail(r, err)
			return
		}
		out.begin() // an empty list is a download too
	})
}

func exportFilter(query url.Values) (f dialog.Filter, err error) {
	for name := range query {
		if name != "customerId" && name != "language" {
			// Left alone, a slip of the pen would download everything.
			return f, apperr.Argument(name, "The parameters are customerId and language.")
		}
	}
	if customer := query.Get("customerId"); customer != "" {
		f.CustomerID = &customer
	}
	if language := query.Get("language"); language != "" {
		if language, err = langtag.Canonical(language); err != nil {
			return f, err
		}
		f.Language = &language
	}
	return f, nil
}

// download is a response whose headers wait for the first byte, so that a
// refusal can still have its status.
type download struct {
	http.ResponseWriter
	control *http.ResponseController
	// name is what is downloaded, format how it is written.
	name, format string
	begun        bool
}

func (d *download) begin() {
	if d.begun {
		return
	}
	d.begun = true
	kind := "text/csv; charset=utf-8; header=present"
	if d.format == string(dialog.JSONL) {
		kind = "application/jsonl; charset=utf-8"
	}
	d.Header().Set("Content-Type", kind)
	d.Header().Set("Content-Disposition", `attachment; filename="`+d.name+"."+d.format+`"`)
	d.Header().Set("Cache-Control", noStore)
	d.Header().Set("X-Content-Type-Options", "nosniff")
	d.WriteHeader(http.StatusOK)
}

// Write hands on what was read and gives up on a reader that is stuck.
func (d *download) Write(p []byte) (int, error) {
	d.begin()
	if err := d.control.SetWriteDeadline(time.Now().Add(maxStall)); err != nil {
		return 0, err
	}
	return d.ResponseWriter.Write(p)
}

// fail answers a refusal with its status; what breaks later breaks the
// download off, so that nobody takes a part for the whole.
func (d *download) fail(r *http.Request, err error) {
	if d.begun {
		slog.WarnContext(r.Context(), "an export broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	status, words := http.StatusInternalServerError, "Something went wrong on our side."
	if all := apperr.List(err); len(all) > 0 {
		words = all[0].Message
	} else {
		slog.ErrorContext(r.Context(), "an export failed", "error", err)
	}
	switch apperr.CodeOf(err) {
	case apperr.Unauthenticated:
		status = http.StatusUnauthorized
	case apperr.Forbidden:
		status = http.StatusForbidden
	case apperr.BadInput:
		status = http.StatusBadRequest
	case apperr.Unavailable:
		status = http.StatusServiceUnavailable
	}
	plain(d.ResponseWriter, status, words)
}
