// Package tenor answers clients of version 2 of Tenor's REST API out of parley's own public
// stickers. What it speaks is described at developers.google.com/tenor/guides/endpoints and
// docs/tenor.md says what stands behind each parameter here.
package tenor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/search"
)

// Path begins the addresses that a Handler answers.
const Path = "/v2/"

// Config is what a Handler works with.
type Config struct {
	// Verify gives the viewer of an API key's secret, or UNAUTHENTICATED.
	Verify   func(ctx context.Context, secret string) (auth.Viewer, error)
	Search   *search.Service
	Feedback *feedback.Service
	// BoardLasts is how long what is featured stays as it is; a minute when it is 0.
	BoardLasts time.Duration
}

// Handler is the REST interface.
type Handler struct {
	Config
	routes map[string]route
	boards boards
}

// route is what answers the addresses of one name.
type route struct {
	answer func(ctx context.Context, q *request) (any, error)
	// cache is the header Cache-Control of an answer. Addresses bear the key, so that no
	// shared cache may keep any.
	cache string
	// writes tells that POST is answered too, which some clients use for what changes
	// something.
	writes bool
}

const (
	noStore = "no-store"
	// ofBoard is for answers that stay as they are for about that long anyway.
	ofBoard = "private, max-age=60"
)

// New makes the handler.
func New(c Config) *Handler {
	if c.BoardLasts <= 0 {
		c.BoardLasts = time.Minute
	}
	h := &Handler{Config: c, boards: newBoards()}
	h.routes = map[string]route{
		"search":             {answer: h.search, cache: noStore},
		"autocomplete":       {answer: h.suggestions, cache: noStore},
		"search_suggestions": {answer: h.suggestions, cache: noStore},
		"posts":              {answer: h.posts, cache: noStore},
		"registershare":      {answer: h.share, cache: noStore, writes: true},
		"featured":           {answer: h.featured, cache: ofBoard},
		"categories":         {answer: h.categories, cache: ofBoard},
		"trending_terms":     {answer: h.trendingTerms, cache: ofBoard},
	}
	return h
}

// ServeHTTP answers a request. The visitor of its context says where it comes from.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Path)
	to, ok := h.routes[name]
	if !ok {
		fail(w, r, apperr.NotFoundf("There is no such address below %s.", Path))
		return
	}
	if r.Method != http.MethodGet && (r.Method != http.MethodPost || !to.writes) {
		refuseMethod(w, to)
		return
	}
	body, err := h.answer(r, to)
	if err != nil {
		fail(w, r, err)
		return
	}
	respond(w, http.StatusOK, to.cache, body)
}

// answer gives the JSON that answers a request.
func (h *Handler) answer(r *http.Request, to route) ([]byte, error) {
	q, err := parse(r)
	if err != nil {
		return nil, err
	}
	ctx, err := h.admit(r.Context(), q.Get("key"))
	if err != nil {
		return nil, err
	}
	answer, err := to.answer(ctx, q)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return body, nil
}

// admit gives the context in which the API key asks.
func (h *Handler) admit(ctx context.Context, secret string) (context.Context, error) {
	switch {
	case secret == "":
		return nil, apperr.New(apperr.Unauthenticated, "Give an API key as the parameter key.")
	case !auth.IsKey(secret):
		// An access token would be somebody's, who sees more.
		return nil, apperr.New(apperr.Unauthenticated, "The parameter key is no API key: those begin with %s.", auth.KeyPrefix)
	}
	v, err := h.Verify(ctx, secret)
	if err != nil {
		return nil, err
	}
	ctx = auth.With(ctx, v)
	_, err = auth.RequireScope(ctx, auth.ScopeStickersSearch)
	return ctx, err
}

func respond(w http.ResponseWriter, status int, cache string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", cache)
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
