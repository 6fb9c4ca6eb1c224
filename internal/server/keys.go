package server

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/auth"
)

// VerifyFunc gives the viewer of an access token or of an API key's secret.
type VerifyFunc func(ctx context.Context, token string) (auth.Viewer, error)

type secretKey struct{}

// secretOf gives the secret of the API key that asks, empty for people. It is
// kept because a key, unlike an access token, may end while its connection is
// open.
func secretOf(ctx context.Context) string {
	secret, _ := ctx.Value(secretKey{}).(string)
	return secret
}

// keyCheck refuses operations on the connection of a key that has ended.
type keyCheck struct{ verify VerifyFunc }

// ExtensionName names the check.
func (keyCheck) ExtensionName() string { return "KeyCheck" }

// Validate has nothing to check.
func (keyCheck) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters verifies the key again. A request by HTTP has just
// been verified.
func (c keyCheck) MutateOperationParameters(ctx context.Context, _ *graphql.RawParams) *gqlerror.Error {
	f := followerOf(ctx)
	if f == nil {
		return nil
	}
	_, secret := f.viewer()
	if secret == "" {
		return nil
	}
	if _, err := c.verify(ctx, secret); err != nil {
		return gqlerror.Wrap(err)
	}
	return nil
}
