package account

import (
	"context"
	"slices"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

var (
	errSessionEnded = apperr.New(apperr.Unauthenticated, "This session has ended: sign in again.")
	errRoleChanged  = apperr.New(apperr.Unauthenticated, "The role of this account has changed: refresh the access token.")
)

// Confirm tells whether the viewer of a token may open a connection that lasts.
// The token alone does not tell: a session may have been signed out, a key
// revoked, or the account given another role since it was issued. Whoever
// listens to the account's TopicSession first and then confirms misses nothing.
//
// It gives UNAUTHENTICATED with what to do, or UNAVAILABLE when the database does
// not answer.
func (s *Service) Confirm(ctx context.Context, v auth.Viewer) error {
	if v.Key != "" {
		return s.confirmKey(ctx, v)
	}
	role, open, err := s.sessionState(ctx, v.ID, v.Session)
	switch {
	case err != nil:
		return unclear(err)
	case role == "":
		return errNoAccount
	case !open:
		return errSessionEnded
	case role != v.Role:
		return errRoleChanged
	}
	return nil
}

// unclear gives a failure of the database as one after which coming back helps:
// nobody was refused.
func unclear(err error) error {
	return apperr.Wrap(err, apperr.Unavailable, "Whether this token may stay can't be told at the moment. Try again soon.")
}

// confirmKey asks the database and not the keyring, which may remember a key for
// a moment that was revoked.
func (s *Service) confirmKey(ctx context.Context, v auth.Viewer) error {
	role, works, err := s.keyState(ctx, v.ID, v.Key)
	switch {
	case err != nil:
		return unclear(err)
	case !works, !slices.Contains(keyOwners(), role):
		return errKeyInvalid
	case !v.Expires.IsZero() && !v.Expires.After(store.Now()):
		return errKeyExpired
	}
	return nil
}

// tell writes an event that the account's connections act on into the log, in
// the transaction of the context.
func (s *Service) tell(ctx context.Context, account string, c event.Change) error {
	c.Audience, c.Topic = event.User(account), TopicSession
	return s.log.Append(ctx, c)
}
