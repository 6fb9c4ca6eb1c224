// Package auth holds who is asking: viewers, roles, tokens, passwords. It
// knows nothing of the database; look-ups are account's.
package auth

import (
	"context"
	"slices"
	"time"

	"parley/internal/apperr"
)

// Role is what a viewer may do beyond their own data.
type Role string

// The roles.
const (
	RoleUser    Role = "USER"
	RoleAnalyst Role = "ANALYST"
	RoleAdmin   Role = "ADMIN"
	RoleService Role = "SERVICE"
)

// Roles lists every role, the least powerful first.
func Roles() []Role { return []Role{RoleUser, RoleAnalyst, RoleService, RoleAdmin} }

// Valid tells whether r is one of Roles.
func (r Role) Valid() bool {
	switch r {
	case RoleUser, RoleAnalyst, RoleAdmin, RoleService:
		return true
	}
	return false
}

// Viewer is who asks: a user with a session, a machine with an API key, or a
// named part of the system.
type Viewer struct {
	// ID is the user's id, of a key its owner's; empty for the system.
	ID      string
	Role    Role
	Session string
	// Key is the id of the API key, and Scopes what it may do; empty for people.
	Key    string
	Scopes Scopes
	// Expires is when the token ends; zero for the system and for keys without
	// an end.
	Expires time.Time
	// system names the part of parley that works on nobody's behalf.
	system string
}

// Admin tells whether v may see everybody's data.
func (v Viewer) Admin() bool { return v.Role == RoleAdmin }

// System tells whether v is a part of parley itself.
func (v Viewer) System() bool { return v.system != "" }

// Sees tells whether v may see what belongs to the owner.
func (v Viewer) Sees(owner string) bool {
	return v.System() || v.Admin() || v.ID != "" && v.ID == owner
}

// For is the viewer in whose name a machine acts for one of its own users. It
// has that user's rights and none of the machine's.
func (v Viewer) For(user string) Viewer { return Viewer{ID: user, Role: RoleUser, Expires: v.Expires} }

type viewerKey struct{}

// With gives a context in which v asks.
func With(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// System gives a context in which the named part of parley works on nobody's
// behalf. A test lists every call of it.
func System(ctx context.Context, name string) context.Context {
	return With(ctx, Viewer{system: name})
}

// From gives the viewer of a context and whether there is one.
func From(ctx context.Context) (Viewer, bool) {
	v, ok := ctx.Value(viewerKey{}).(Viewer)
	return v, ok
}

type refusedKey struct{}

// Refused gives a context without a viewer in which Require says why the
// token that came was not valid.
func Refused(ctx context.Context, why error) context.Context {
	return context.WithValue(ctx, refusedKey{}, why)
}

// Require gives the signed-in user or UNAUTHENTICATED. A key is FORBIDDEN: it
// does what its scopes name and nothing that its owner may do.
func Require(ctx context.Context) (Viewer, error) {
	v, err := RequireAny(ctx)
	if err != nil {
		return Viewer{}, err
	}
	if v.Key != "" {
		return Viewer{}, apperr.New(apperr.Forbidden, "An API key can't do this: sign in as a user.")
	}
	return v, nil
}

// RequireRole gives the signed-in user if they have one of the roles.
func RequireRole(ctx context.Context, roles ...Role) (Viewer, error) {
	v, err := Require(ctx)
	if err != nil {
		return Viewer{}, err
	}
	if !slices.Contains(roles, v.Role) {
		return Viewer{}, apperr.New(apperr.Forbidden, "Your role %s may not do this.", v.Role)
	}
	return v, nil
}

// RequireAny gives the user or the key that asks, or UNAUTHENTICATED.
func RequireAny(ctx context.Context) (Viewer, error) {
	v, ok := From(ctx)
	if !ok || v.ID == "" {
		if why, ok := ctx.Value(refusedKey{}).(error); ok {
			return Viewer{}, why
		}
		return Viewer{}, apperr.New(apperr.Unauthenticated, "Sign in first: this needs a valid access token.")
	}
	return v, nil
}
