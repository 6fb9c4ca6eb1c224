package server

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/server/ws"
)

// VerifyFunc gives the viewer of an access token or of an API key's secret.
type VerifyFunc func(ctx context.Context, token string) (auth.Viewer, error)

type secretKey struct{}

// secretOf gives the secret of the API key that asks, empty for people. It is
// kept because a key, unlike an access token, may end while its socket is open.
func secretOf(ctx context.Context) string {
	secret, _ := ctx.Value(secretKey{}).(string)
	return secret
}

// keySockets are the open sockets that API keys opened. Each is closed soon
// after its key has ended.
type keySockets struct {
	verify VerifyFunc
	every  time.Duration // a key is verified again

	mu   sync.Mutex
	open map[*ws.Conn]string // with the secret
}

func newKeySockets(verify VerifyFunc, every time.Duration) *keySockets {
	return &keySockets{verify: verify, every: every, open: map[*ws.Conn]string{}}
}

// add watches over a socket until ctx, which is the socket's own, ends.
func (k *keySockets) add(ctx context.Context, conn *ws.Conn, secret string) {
	k.mu.Lock()
	k.open[conn] = secret
	k.mu.Unlock()
	context.AfterFunc(ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.open, conn)
	})
}

// Run closes sockets whose keys have ended, until ctx ends.
func (k *keySockets) Run(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.check(ctx)
		}
	}
}

func (k *keySockets) check(ctx context.Context) {
	k.mu.Lock()
	open := maps.Clone(k.open)
	k.mu.Unlock()
	for conn, secret := range open {
		switch _, err := k.verify(ctx, secret); {
		case err == nil:
		case apperr.Is(err, apperr.Unauthenticated):
			conn.Close(ws.CloseForbidden, "The API key is not valid any more")
		default: // nobody knows; another time begins with another socket
			if ctx.Err() == nil {
				slog.WarnContext(ctx, "the API keys of open sockets can't be verified", "error", err)
			}
			return
		}
	}
}

// keyCheck refuses operations on the socket of a key that has ended.
type keyCheck struct{ verify VerifyFunc }

// ExtensionName names the check.
func (keyCheck) ExtensionName() string { return "KeyCheck" }

// Validate has nothing to check.
func (keyCheck) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters verifies the key again. A request by HTTP has just
// been verified.
func (c keyCheck) MutateOperationParameters(ctx context.Context, _ *graphql.RawParams) *gqlerror.Error {
	secret := secretOf(ctx)
	if _, onSocket := ws.FromContext(ctx); secret == "" || !onSocket {
		return nil
	}
	if _, err := c.verify(ctx, secret); err != nil {
		return gqlerror.Wrap(err)
	}
	return nil
}
