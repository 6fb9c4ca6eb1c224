package sse

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"parley/internal/apperr"
	"parley/internal/auth"
)

// maxWaiting is how many bytes of requests a reservation holds for a stream
// that has not come. They must fit into one message to another process.
const maxWaiting = 256 << 10

// seatKey is the digest of a token.
type seatKey [sha256.Size]byte

func keyOf(token string) seatKey { return sha256.Sum256([]byte(token)) }

// identity is whose a token is; all are empty for nobody.
type identity struct {
	ID      string `json:"id,omitempty"`
	Session string `json:"session,omitempty"`
	Key     string `json:"key,omitempty"`
}

func identityOf(ctx context.Context) identity {
	v, _ := auth.From(ctx)
	return identity{v.ID, v.Session, v.Key}
}

// tokenPrefix tells secret scanners what a token is.
const tokenPrefix = "sse_"

// reserve answers PUT with a token.
func (t *Transport) reserve(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, taken string) {
	if !accepts(r, "text/plain", "text/*") {
		t.reply(w, r, refusal(http.StatusNotAcceptable, apperr.New(apperr.BadInput, "The token is text/plain.")))
		return
	}
	if s := t.seat(keyOf(taken)); taken != "" && s != nil && s.owner == identityOf(r.Context()) {
		t.reply(w, r, refusal(http.StatusConflict, apperr.New(apperr.Conflict, "This token is taken: reserve without one.")))
		return
	}
	token, err := auth.NewSecret(tokenPrefix)
	if err != nil {
		t.reply(w, r, internal())
		return
	}
	s := t.newStream(context.WithoutCancel(r.Context()), r, exec)
	s.key, s.owner = keyOf(token), identityOf(r.Context())
	if refused := t.sit(s); refused != nil {
		s.stop(EndClosed)
		t.reply(w, r, refused)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(token))
}

// attach opens the stream of a token.
func (t *Transport) attach(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, token string) {
	_, _ = io.Copy(io.Discard, r.Body) // unread, it would hide that the client has gone
	key, owner := keyOf(token), identityOf(r.Context())
	s := t.seat(key)
	if s == nil {
		var refused *answer
		if s, refused = t.takeOver(r, exec, key, owner); refused != nil {
			t.reply(w, r, refused)
			return
		}
	}
	if refused := s.claim(r, owner); refused != nil {
		t.reply(w, r, refused)
		return
	}
	defer s.stop(EndLost)
	if refused := s.admit(); refused != nil {
		t.reply(w, r, refused)
		return
	}
	s.serve(w, r)
}

// claim makes the reservation the stream of a request.
func (s *Stream) claim(r *http.Request, owner identity) *answer {
	s.mu.Lock()
	switch {
	case s.end != "" || s.owner != owner:
		s.mu.Unlock()
		return notFound()
	case s.phase != reserved:
		s.mu.Unlock()
		return refusal(http.StatusConflict, apperr.New(apperr.Conflict, "The stream of this token is open already."))
	}
	s.phase = opening
	s.timer.Stop()
	s.connect(r.Context(), r)
	s.mu.Unlock()
	s.t.occupy(s)
	return nil
}

// command answers POST, GET and DELETE with a token.
func (t *Transport) command(w http.ResponseWriter, r *http.Request, token string) {
	key := keyOf(token)
	s := t.seat(key)
	owner := identityOf(r.Context())
	if s != nil && s.owner != owner || s == nil && (token == "" || t.cfg.Bus == nil) {
		t.reply(w, r, notFound())
		return
	}
	c, refused := readCommand(r)
	switch {
	case refused != nil:
	case s != nil:
		refused = s.perform(c)
	default:
		c.Viewer = owner
		refused = t.forward(r.Context(), key, c)
	}
	t.reply(w, r, refused)
}

// readCommand gives what a request asks of a stream, or the answer why nothing.
func readCommand(r *http.Request) (command, *answer) {
	if r.Method == http.MethodDelete {
		id := r.URL.Query().Get("operationId")
		if id == "" {
			return command{}, badArgument("operationId", "The URL needs operationId.")
		}
		return command{Do: doComplete, waiting: waiting{ID: valid(id)}}, nil
	}
	if !accepts(r, "application/json", "application/graphql-response+json", "application/*") {
		return command{}, refusal(http.StatusNotAcceptable, apperr.New(apperr.BadInput, "The answer is application/json."))
	}
	params, size, refused := readParams(r)
	if refused != nil {
		return command{}, refused
	}
	id, refused := operationID(params.Extensions)
	if refused != nil {
		return command{}, refused
	}
	return command{Do: doExecute, Method: r.Method, waiting: waiting{ID: id, Size: size, Params: params}}, nil
}

// perform does what a request asks of the stream.
func (s *Stream) perform(c command) *answer {
	if c.Do == doComplete {
		s.operations.Dismiss(c.ID)
		return &answer{Status: http.StatusOK}
	}
	return s.execute(c.Method, c.waiting)
}
