package sse

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
)

// distinct answers a request with the stream of its one operation.
func (t *Transport) distinct(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	params, size, refused := readParams(r)
	if refused != nil {
		t.reply(w, r, refused)
		return
	}
	s := t.newStream(r.Context(), r, exec)
	defer s.stop(EndLost)
	s.phase = opening
	if refused := s.admit(); refused != nil {
		t.reply(w, r, refused)
		return
	}
	// Accepted, it waits for the stream.
	if refused := s.execute(r.Method, waiting{Size: size, Params: params}); refused.Status != http.StatusAccepted {
		t.reply(w, r, refused)
		return
	}
	s.serve(w, r)
}
