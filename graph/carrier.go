package graph

import (
	"context"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
)

// Carrier is what the transport lends to the few resolvers that touch HTTP or
// the connection.
type Carrier struct {
	// Address is the client's, without a port.
	Address string
	// SetCookie sets the cookie with the access token, or removes it when the
	// time has passed. It is nil where there is no response to set it on.
	SetCookie func(token string, expires time.Time)
	// Reauthenticate goes on with another token on the connection and gives when
	// that ends, the zero time for never. It is nil where each request brings its
	// token.
	Reauthenticate func(ctx context.Context, token string) (time.Time, error)
}

type carrierKey struct{}

// WithCarrier gives resolvers the carrier.
func WithCarrier(ctx context.Context, c Carrier) context.Context {
	return context.WithValue(ctx, carrierKey{}, c)
}

// ClientAddress is the address that limits on failed sign-ins count.
func ClientAddress(ctx context.Context) string {
	c, _ := ctx.Value(carrierKey{}).(Carrier)
	return c.Address
}

// SetCookie sets or removes the session's cookie where the transport can.
func SetCookie(ctx context.Context, token string, expires time.Time) {
	if c, _ := ctx.Value(carrierKey{}).(Carrier); c.SetCookie != nil {
		c.SetCookie(token, expires)
	}
}

// reauthenticate goes on with another token where the transport can, and gives
// when the connection ends, nil for never.
func reauthenticate(ctx context.Context, token string) (*time.Time, error) {
	if _, err := auth.RequireAny(ctx); err != nil {
		return nil, err
	}
	c, _ := ctx.Value(carrierKey{}).(Carrier)
	switch {
	case c.Reauthenticate == nil:
		return nil, apperr.New(apperr.BadInput, "Only a websocket goes on with another token: here, send the token with each request.")
	case token == "":
		return nil, apperr.Input("token", "Give an access token or the secret of an API key.")
	}
	expires, err := c.Reauthenticate(ctx, token)
	if err != nil || expires.IsZero() {
		return nil, err
	}
	return &expires, nil
}
