package server

import (
	"context"
	"net/http"

	"parley/internal/auth"
)

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
