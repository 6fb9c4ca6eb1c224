package server

import (
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/text/language"

	"parley/internal/auth"
	"parley/internal/config"
)

// visitorCookie tells people apart who search and report without an account.
const visitorCookie = "parley_visitor"

// visitorLifetime is as long as browsers keep a cookie.
const visitorLifetime = 400 * 24 * time.Hour

// visit gives what is known of whoever makes a request: the address, and, where nobody
// has to sign in to search, the visitor of a cookie, who is given one when they have none.
func (s *Server) visit(w http.ResponseWriter, r *http.Request) auth.Visitor {
	visitor := auth.Visitor{Address: clientAddress(r), Languages: preferred(r)}
	service := s.cfg.Resolver.FeedbackService
	if service == nil || !service.Anonymous() || !sameSite(r) || bearer(r) != "" {
		return visitor
	}
	if c, err := r.Cookie(visitorCookie); err == nil {
		if id, ok := service.Visitor(c.Value); ok {
			visitor.ID = id
			return visitor
		}
	}
	id, value, err := service.NewVisitor()
	if err != nil {
		slog.WarnContext(r.Context(), "a visitor gets no cookie", "error", err)
		return visitor
	}
	http.SetCookie(w, &http.Cookie{
		Name: visitorCookie, Value: value, Path: "/", MaxAge: int(visitorLifetime.Seconds()), HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
	visitor.ID = id
	return visitor
}

// sameSite tells whether a page of another site could not have made the request.
func sameSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		return r.Header.Get("Origin") == "" || config.SameOrigin(r)
	}
	return false
}

// What is read of the header Accept-Language: browsers send fewer than ten languages.
const (
	maxLanguageHeader = 256
	maxLanguages      = 10
)

// preferred gives the languages of the header Accept-Language, the dearest first; none for
// one that is too long or broken.
func preferred(r *http.Request) (tags []string) {
	header := r.Header.Get("Accept-Language")
	if len(header) > maxLanguageHeader {
		return nil
	}
	list, weights, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return nil
	}
	for i, tag := range list[:min(len(list), maxLanguages)] {
		if weights[i] > 0 && tag != language.Und {
			tags = append(tags, tag.String())
		}
	}
	return tags
}
