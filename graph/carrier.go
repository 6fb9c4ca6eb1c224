package graph

import (
	"context"
	"time"
)

// Carrier is what the transport lends to the few resolvers that touch HTTP.
type Carrier struct {
	// Address is the client's, without a port.
	Address string
	// SetCookie sets the cookie with the access token, or removes it when the
	// time has passed. It is nil where there is no response to set it on.
	SetCookie func(token string, expires time.Time)
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
