package server

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"parley/graph"
	"parley/internal/auth"
	"parley/internal/live"
	"parley/internal/resume"
	"parley/internal/server/ws"
)

// cookieName is the cookie that signIn(input: {cookie: true}) sets.
const cookieName = "parley_session"

// authenticate puts the viewer of a request in its context. A token that is
// not valid does not end the request: signIn and refresh must work with an
// expired one in the header. Whoever needs a viewer then says what was wrong.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		carrier := graph.Carrier{Address: clientAddress(r)}
		if !s.Sockets.Supports(r) {
			// Not for sockets: their contexts would hold on to request and response.
			carrier.SetCookie = func(token string, expires time.Time) { setCookie(w, r, token, expires) }
		}
		ctx := auth.WithVisitor(graph.WithCarrier(r.Context(), carrier), s.visit(w, r))
		if token := bearer(r); token != "" {
			if admitted, err := s.admit(ctx, token); err != nil {
				ctx = auth.Refused(ctx, err)
			} else {
				ctx = admitted
			}
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// admit verifies a token and gives the context in which its viewer asks.
func (s *Server) admit(ctx context.Context, token string) (context.Context, error) {
	v, err := s.cfg.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	secret := ""
	if v.Key != "" {
		secret = token
	}
	return context.WithValue(auth.With(ctx, v), secretKey{}, secret), nil
}

func bearer(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if len(header) > 7 && strings.EqualFold(header[:7], "bearer ") {
		return strings.TrimSpace(header[7:])
	}
	if header != "" {
		return header
	}
	return cookie(r)
}

// cookie gives the cookie's token only to requests that a page of another
// site could not have made. It is a person's: machines have headers.
func cookie(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil || auth.IsKey(c.Value) {
		return ""
	}
	if sameSite(r) {
		return c.Value
	}
	return ""
}

func setCookie(w http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", Expires: expires, HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// initSocket authenticates connection_init. A socket without a token may sign
// in; one with a token lives as long as its session is refreshed, one with a key
// as long as the key.
func (s *Server) initSocket(ctx context.Context, payload ws.InitPayload) (context.Context, map[string]any, error) {
	if token := payload.Bearer(); token != "" {
		admitted, err := s.admit(ctx, token)
		if err != nil {
			return nil, nil, err
		}
		ctx = admitted
	}
	ctx = resume.WithAsked(ctx, payload["resume"])
	_, signedIn := auth.From(ctx) // perhaps by the upgrade request
	conn, ok := ws.FromContext(ctx)
	if !ok || !signedIn {
		return ctx, nil, nil
	}
	followed, f, err := s.sessions.follow(ctx, socket{conn}, live.NewConnection())
	if err != nil {
		return nil, nil, err
	}
	return graph.WithCarrier(followed, graph.Carrier{Address: graph.ClientAddress(ctx), Reauthenticate: f.reauthenticate}), nil, nil
}
