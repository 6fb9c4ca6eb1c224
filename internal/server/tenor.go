package server

import (
	"context"
	"net/http"

	"parley/internal/auth"
)

// anyOrigin lets the pages of every origin ask, without cookies.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// tenor hands requests on with what is known of whoever makes them. The key in their
// address is what they ask with: cookies and headers count for nothing.
func (s *Server) tenor() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.MaxTime)
		defer cancel()
		ctx = auth.WithVisitor(ctx, auth.Visitor{Address: clientAddress(r), Languages: preferred(r)})
		s.cfg.Tenor.ServeHTTP(w, r.WithContext(ctx))
	})
}
