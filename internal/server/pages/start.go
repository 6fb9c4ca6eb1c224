package pages

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the template and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"parley/internal/jobspec"
)

// Status is what the start page tells of a running process. Texts are for
// people and must hold no credentials.
type Status struct {
	// Version is the binary's version, Mode its command: "serve" or "api".
	Version, Mode string
	// Database, NATS and Cache name what is used, for example
	// "SQLite in ./var/parley.db" or "embedded".
	Database, NATS, Cache string
	// Started is when the process was ready.
	Started time.Time
	// Workers are the last announcements of the workers that are alive.
	Workers []jobspec.Announcement
}

// StatusFunc gives the status now. It should answer fast, from memory.
type StatusFunc func(context.Context) Status

//go:embed start.html
var startHTML string

//go:embed start.css
var startCSS string

// Start serves the start page. The error says that its template is broken.
func Start(status StatusFunc) (http.Handler, error) {
	page, err := template.New("start").Funcs(template.FuncMap{
		"css":   func() template.CSS { return template.CSS(startCSS) },
		"since": since,
	}).Parse(startHTML)
	if err != nil {
		return nil, fmt.Errorf("parse its template: %w", err)
	}
	sum := sha256.Sum256([]byte(startCSS))
	policy := "default-src 'none'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if err := page.Execute(&body, status(r.Context())); err != nil {
			slog.ErrorContext(r.Context(), "start page", "error", err)
			http.Error(w, "The start page could not be made; the log says why.", http.StatusInternalServerError)
			return
		}
		secure(w.Header(), policy)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// A client that went away is nobody's fault.
		_, _ = w.Write(body.Bytes())
	}), nil
}

// since says how long ago a time was, roughly, as people do.
func since(t time.Time) string {
	if t.IsZero() {
		return "not yet"
	}
	switch d := time.Since(t); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}
