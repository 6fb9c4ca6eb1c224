package account

import (
	"context"

	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/object"
)

// TopicSession is for the connections of an account and never shown to anybody.
const TopicSession = "SESSION"

// Types of events of TopicSession, on which open connections act.
const (
	// TypeSessionChanged has a session's id as object, and says either that it was
	// refreshed or that it has ended.
	TypeSessionChanged = "SessionChanged"
	// TypeRoleChanged has a user's id as object and the new role as state.
	TypeRoleChanged = "RoleChanged"
	// TypeKeyRevoked has an API key's id as object.
	TypeKeyRevoked = "KeyRevoked"
)

// States of TypeSessionChanged.
const (
	// SessionExtended has the end of the new access token as version, in seconds
	// since 1970.
	SessionExtended = "EXTENDED"
	SessionEnded    = "ENDED"
)

// Domain announces users, sessions and API keys.
func (s *Service) Domain() domain.Domain {
	internal := func(name string) event.Type { return event.Type{Name: name, Topic: TopicSession, Internal: true} }
	return domain.Domain{
		Name:    "account",
		Types:   []event.Type{internal(TypeSessionChanged), internal(TypeRoleChanged), internal(TypeKeyRevoked)},
		Objects: []object.Kind{object.One("user", s.Get), object.One("key", s.Key)},
		Operations: map[string]auth.Access{
			"Query.viewer":            auth.People,
			"Query.apiKeys":           auth.People,
			"Mutation.signUp":         auth.Anyone,
			"Mutation.signIn":         auth.Anyone,
			"Mutation.refresh":        auth.Anyone,
			"Mutation.signOut":        auth.People,
			"Mutation.reauthenticate": auth.SignedIn,
			"Mutation.createApiKey":   auth.WithRole(keyOwners()...),
			"Mutation.revokeApiKey":   auth.People,
			"Mutation.setRole":        auth.WithRole(auth.RoleAdmin),
		},
		Account: domain.Account{Close: s.closeAccount, Delete: s.deleteAccount, Export: s.exportAccount},
		Expire: func(ctx context.Context) error {
			_, err := s.ForgetExpired(ctx)
			return err
		},
	}
}
