package auth

import "context"

// Access tells whether the viewer of ctx may use an operation at all, and why
// not. Whose things the operation may touch is its service's to say.
type Access func(ctx context.Context) error

// Anyone lets everybody, signed in or not.
func Anyone(context.Context) error { return nil }

// SignedIn lets people with a session and machines with a key.
func SignedIn(ctx context.Context) error {
	_, err := RequireAny(ctx)
	return err
}

// People lets whoever has a session, and no key.
func People(ctx context.Context) error {
	_, err := Require(ctx)
	return err
}

// WithRole lets people who have one of the roles.
func WithRole(roles ...Role) Access {
	return func(ctx context.Context) error {
		_, err := RequireRole(ctx, roles...)
		return err
	}
}

// WithScope lets machines that may do what one of the scopes stands for.
func WithScope(scopes ...Scope) Access {
	return func(ctx context.Context) error {
		_, err := RequireScope(ctx, scopes...)
		return err
	}
}
