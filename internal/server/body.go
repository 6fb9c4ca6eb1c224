package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
)

// Limits of a request's body, in bytes.
const (
	maxBody   = 1 << 20
	maxUpload = 9 << 20 // a picture of media.MaxBytes, and what comes with it
	// maxBulk is that of a signed-in person with files: sticker.MaxTogether, and what
	// comes with it.
	maxBulk = 66 << 20
)

// Of bodies that may be longer than maxUpload, a process takes bulkAtOnce at the same
// time, and of one account bulkEach. Each has bulkTime to come in, so that nobody holds a
// place by sending nothing.
const (
	bulkAtOnce = 8
	bulkEach   = 2
	bulkTime   = 2 * time.Minute
)

// bulk counts the long bodies that are taken.
type bulk struct {
	mu  sync.Mutex
	all int
	by  map[string]int
}

// enter takes a place of an account, unless there is none.
func (b *bulk) enter(account string) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= bulkAtOnce || b.by[account] >= bulkEach {
		return nil, false
	}
	if b.by == nil {
		b.by = map[string]int{}
	}
	b.all++
	b.by[account]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all--
		if b.by[account]--; b.by[account] == 0 {
			delete(b.by, account)
		}
	}, true
}

type filesKey struct{}

// mostFiles is how many files the request of a context may have.
func mostFiles(ctx context.Context) int {
	if _, ok := ctx.Value(filesKey{}).(bool); ok {
		return maxBulkFiles
	}
	return maxFiles
}

// limitBody refuses a body that says that it is too long, and cuts off one that does not
// say. Who is signed in as a person may send more files; of their long bodies few are
// taken at a time.
func (s *Server) limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mediaType(r) != "multipart/form-data" {
			limited(w, r, maxBody, next)
			return
		}
		// A page of another site may send this type without asking first.
		if r.Header.Get("Authorization") == "" && r.Header.Get("GraphQL-Require-Preflight") == "" && r.Header.Get("Apollo-Require-Preflight") == "" {
			refuse(w, http.StatusBadRequest, apperr.New(apperr.BadInput,
				"A multipart request needs an Authorization or a GraphQL-Require-Preflight header."))
			return
		}
		viewer, err := auth.Require(r.Context())
		if err != nil {
			limited(w, r, maxUpload, next)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), filesKey{}, true))
		if r.ContentLength > maxBulk || r.ContentLength >= 0 && r.ContentLength <= maxUpload {
			limited(w, r, maxBulk, next)
			return
		}
		leave, ok := s.bulk.enter(viewer.ID)
		if !ok {
			w.Header().Set("Retry-After", "5")
			refuse(w, http.StatusServiceUnavailable, apperr.New(apperr.Unavailable, "Too many large uploads are under way: try again in a moment."))
			return
		}
		defer leave()
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(bulkTime)) // every connection of net/http has one
		limited(w, r, maxBulk, next)
		_ = control.SetReadDeadline(time.Time{})
	})
}

func limited(w http.ResponseWriter, r *http.Request, limit int64, next http.Handler) {
	if r.ContentLength > limit {
		refuse(w, http.StatusRequestEntityTooLarge, apperr.New(apperr.TooLarge, "A request has at most %d bytes.", limit))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	next.ServeHTTP(w, r)
}
