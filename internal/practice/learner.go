package practice

import (
	"context"
	"database/sql"
	"fmt"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

// caller is who asks: a person for themselves, or a service for the external
// users of the account that owns it. One of user and owner is set.
type caller struct {
	user, owner string
	// admin tells that a person may read what is others'.
	admin bool
}

// callerOf gives who asks. A service needs one of the scopes; people need none,
// since they reach nothing but their own.
func callerOf(ctx context.Context, scopes ...auth.Scope) (caller, error) {
	v, err := auth.RequireAny(ctx)
	if err != nil {
		return caller{}, err
	}
	if v.Key == "" && v.Role != auth.RoleService {
		return caller{user: v.ID, admin: v.Admin()}, nil
	}
	if _, err := auth.RequireScope(ctx, scopes...); err != nil {
		return caller{}, err
	}
	return caller{owner: v.ID}, nil
}

// has tells whether the caller acts for the learner, of whom owner is the
// account that named them, or empty.
func (c caller) has(learner, owner string) bool {
	if c.owner != "" {
		return c.owner == owner
	}
	return c.user == learner
}

// check refuses an external id of a person, and none of a service, which has to
// name its learner.
func (c caller) check(externalID *string, path ...string) error {
	var e *apperr.Error
	switch {
	case c.owner == "" && externalID != nil:
		e = apperr.New(apperr.Forbidden, "Only a service names a learner by externalId: leave it out to act for yourself.")
	case c.owner != "" && externalID == nil:
		e = apperr.New(apperr.BadInput, "A service must name its learner: give externalId.")
	case externalID != nil:
		if err := checkName("externalId", "An external id", *externalID, MaxKey); err != nil {
			return within(err, path[:len(path)-1]...)
		}
		return nil
	default:
		return nil
	}
	e.Path = path
	return e
}

// learner gives the id of the learner whom the caller names, or "" for one that
// is unknown.
func (s *Service) learner(ctx context.Context, c caller, externalID *string) (string, error) {
	if err := c.check(externalID, "externalId"); err != nil {
		return "", err
	}
	if c.owner == "" {
		return c.user, nil
	}
	return s.external(ctx, c.owner, *externalID)
}

func (s *Service) external(ctx context.Context, owner, externalID string) (id string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&id) },
		"SELECT id FROM external_users WHERE owner_id = ? AND external_id = ?", owner, externalID)
	if err != nil {
		return "", fmt.Errorf("look for an external user: %w", err)
	}
	return id, nil
}

// acquaint gives the id of an external user inside the transaction of the
// context, and makes them known when they are not. Of several calls at once the
// first to commit makes them, and the others wait for it.
func (s *Service) acquaint(ctx context.Context, owner, externalID string) (string, error) {
	id, err := s.external(ctx, owner, externalID)
	if err != nil || id != "" {
		return id, err
	}
	_, err = s.store.Exec(ctx, `INSERT INTO external_users (id, created_at, owner_id, external_id) VALUES (?, ?, ?, ?)
		ON CONFLICT (owner_id, external_id) DO NOTHING`, store.NewID("xuser"), store.Now(), owner, externalID)
	if err != nil {
		return "", fmt.Errorf("make an external user: %w", err)
	}
	return s.external(ctx, owner, externalID)
}

// as gives a context with the rights of the learner and of nobody else.
func as(ctx context.Context, learner string) context.Context {
	v, _ := auth.From(ctx)
	return auth.With(ctx, v.For(learner))
}
