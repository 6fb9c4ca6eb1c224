package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/media"
)

// How long a picture may be taken from a cache without asking.
const (
	cachePublic  = "public, max-age=31536000, immutable"
	cachePrivate = "private, max-age=300"
)

// media serves pictures, with ETag and ranges, out of the store as they are read.
func (s *Server) media(w http.ResponseWriter, r *http.Request) {
	served, err := s.cfg.Resolver.MediaService.Serve(r.Context(), strings.TrimPrefix(r.URL.Path, media.Path), r.URL.Query())
	if err != nil {
		refuseMedia(w, r, err)
		return
	}
	if served.Visibility != media.Public && !served.Signed {
		// The token alone would do until it expires, also after a sign-out.
		if err := s.stillSignedIn(r.Context()); err != nil {
			refuseMedia(w, r, err)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", served.ContentType)
	h.Set("ETag", `"`+served.Hash+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	// Opened as a page, a picture can do nothing.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Disposition", "inline")
	h.Set("Cache-Control", cachePrivate)
	// Pages of other origins may show what its address opens, and nothing that the
	// viewer's cookie does.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if served.Visibility == media.Public {
		h.Set("Cache-Control", cachePublic)
	} else if !served.Signed {
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Add("Vary", "Authorization, Cookie")
	}
	object := s.cfg.Resolver.MediaService.Open(r.Context(), served.Media)
	defer func() { _ = object.Close() }()
	out := &lateResponse{ResponseWriter: w, control: http.NewResponseController(w)}
	source := &faultReader{ReadSeeker: object}
	http.ServeContent(out, r, "", served.CreatedAt, source)
	switch {
	case source.err == nil:
		out.send()
	case out.sent:
		slog.WarnContext(r.Context(), "a picture broke off", "picture", served.ID, "error", source.err)
		panic(http.ErrAbortHandler)
	default:
		for _, name := range []string{"Content-Length", "Content-Range", "ETag", "Last-Modified", "Accept-Ranges"} {
			h.Del(name)
		}
		refuseMedia(w, r, source.err)
	}
}

// stillSignedIn asks whether the viewer's session is open.
func (s *Server) stillSignedIn(ctx context.Context) error {
	if v, _ := auth.From(ctx); s.cfg.Confirm != nil {
		return s.cfg.Confirm(ctx, v)
	}
	return nil
}

// refuseMedia answers that there is no such picture, or that it can't be read now.
func refuseMedia(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Cache-Control", noStore)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch apperr.CodeOf(err) {
	case apperr.NotFound, apperr.Unauthenticated:
		plain(w, http.StatusNotFound, "There is no such picture.")
	case apperr.Unavailable, apperr.Timeout:
		slog.WarnContext(r.Context(), "a picture can't be read", "error", err)
		plain(w, http.StatusServiceUnavailable, "The picture can't be read right now.")
	default:
		slog.ErrorContext(r.Context(), "a picture failed", "error", err)
		plain(w, http.StatusInternalServerError, "Something went wrong on our side.")
	}
}

// lateResponse is a response whose headers wait for the first byte, so that a store
// that fails can still have its status.
type lateResponse struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	sent    bool
}

// WriteHeader keeps the status for send.
func (l *lateResponse) WriteHeader(status int) { l.status = status }

func (l *lateResponse) send() {
	if !l.sent {
		l.sent = true
		l.ResponseWriter.WriteHeader(l.status)
	}
}

// Write hands on what was read and gives up on a reader that is stuck.
func (l *lateResponse) Write(p []byte) (int, error) {
	l.send()
	if err := l.control.SetWriteDeadline(time.Now().Add(maxStall)); err != nil {
		return 0, err
	}
	return l.ResponseWriter.Write(p)
}

// faultReader remembers why reading failed.
type faultReader struct {
	io.ReadSeeker
	err error
}

// Read notes what is not the end.
func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
