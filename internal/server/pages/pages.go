// Package pages serves what people open in a browser: the start page at / and
// GraphiQL at /graphiql. Everything comes from the binary itself.
package pages

import (
	"fmt"
	"net/http"
)

// Register puts the pages on mux: the start page at / (and nothing below it),
// GraphiQL at /graphiql with its assets. Every request of the start page calls
// status. The error says that the embedded GraphiQL is incomplete.
func Register(mux *http.ServeMux, status StatusFunc) error {
	start, err := Start(status)
	if err != nil {
		return fmt.Errorf("start page: %w", err)
	}
	graphiql, err := GraphiQL()
	if err != nil {
		return fmt.Errorf("GraphiQL: %w", err)
	}
	mux.Handle("GET /{$}", start)
	mux.Handle("GET /graphiql", graphiql)
	mux.Handle("GET /graphiql/", graphiql)
	return nil
}

// secure sets the headers that every page carries: nobody may frame it, guess
// types in it or learn where its visitors come from, and it loads and runs only
// what policy allows.
func secure(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}
