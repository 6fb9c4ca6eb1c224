package auth

import (
	"context"

	"parley/internal/apperr"
)

// Visitor is what is known of whoever asks besides the Viewer.
type Visitor struct {
	// ID is that of a signed cookie; empty without one, and where nobody may ask
	// without signing in.
	ID string
	// Address is the client's, without a port.
	Address string
	// Languages are tags of those that the client prefers, the dearest first.
	Languages []string
}

type visitorKey struct{}

// WithVisitor gives a context in which v asks.
func WithVisitor(ctx context.Context, v Visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// VisitorOf gives the visitor of a context, the zero value without one.
func VisitorOf(ctx context.Context) Visitor {
	v, _ := ctx.Value(visitorKey{}).(Visitor)
	return v
}

// PeopleOrVisitors lets whoever has a session, and with visitors also those who have
// no token at all. A key is FORBIDDEN, and who came with a token that is not valid
// hears why.
func PeopleOrVisitors(visitors bool) Access {
	return func(ctx context.Context) error {
		if _, err := Require(ctx); err == nil || !visitors {
			return err
		}
		if v, ok := From(ctx); ok && v.ID != "" {
			return apperr.New(apperr.Forbidden, "An API key can't do this: sign in as a user.")
		}
		if why, ok := ctx.Value(refusedKey{}).(error); ok {
			return why
		}
		return nil
	}
}
