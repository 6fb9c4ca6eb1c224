package account

import (
	"context"

	"parley/ent/gen"
	"parley/ent/gen/user"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// SetRole says what an account may do from now on, for an ADMIN: its open
// connections end, and its access tokens open no new ones. CONFLICT when no
// ADMIN would be left.
func (s *Service) SetRole(ctx context.Context, id string, role auth.Role) (*gen.User, error) {
	v, err := auth.RequireRole(ctx, auth.RoleAdmin)
	if err != nil {
		return nil, err
	}
	if !role.Valid() {
		return nil, errNoRole
	}
	if err := store.CheckID("user", id, "input", "userId"); err != nil {
		return nil, err
	}
	ctx = auth.System(ctx, "account.setRole")
	var u *gen.User
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		found, admins, err := s.withAdmins(ctx, id)
		switch {
		case err != nil:
			return err
		case !admins[v.ID]: // the token is older than the role
			return apperr.New(apperr.Forbidden, "Your role %s may not do this any more.", v.Role)
		case found == nil:
			return apperr.NotFoundf("There is no such user.")
		case admins[id] && role != auth.RoleAdmin && len(admins) == 1:
			return apperr.New(apperr.Conflict, "This is the last ADMIN: make another one first.")
		}
		u, err = s.assign(ctx, found, role)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

var errNoRole = apperr.Input("role", "The roles are %v.", auth.Roles())

// withAdmins gives an account, nil when there is none, and the ids of all
// admins. Their rows are locked, so that two admins can't demote each other.
func (s *Service) withAdmins(ctx context.Context, id string) (found *gen.User, admins map[string]bool, err error) {
	q := store.ForUpdate(s.store, s.store.Client(ctx).User.Query().Where(user.Or(user.ID(id), user.RoleEQ(user.RoleADMIN))).Order(user.ByID()))
	all, err := q.All(ctx)
	admins = make(map[string]bool, len(all))
	for _, u := range all {
		if u.ID == id {
			found = u
		}
		if u.Role == user.RoleADMIN {
			admins[u.ID] = true
		}
	}
	return found, admins, err
}

// Assign is SetRole for the command line, which may also demote the last ADMIN:
// whoever has it can make another. NOT_FOUND when no account has the address.
func (s *Service) Assign(ctx context.Context, email string, role auth.Role) (*gen.User, error) {
	if !role.Valid() {
		return nil, errNoRole
	}
	ctx = auth.System(ctx, "account.assign")
	var u *gen.User
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		q := store.ForUpdate(s.store, s.store.Client(ctx).User.Query().Where(user.EmailKey(emailKey(email))))
		found, err := q.Only(ctx)
		if err != nil {
			return withAddress(err)
		}
		u, err = s.assign(ctx, found, role)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// withAddress is the error of a look-up by an e-mail address.
func withAddress(err error) error {
	if gen.IsNotFound(err) {
		return apperr.NotFoundf("There is no account with this e-mail address.")
	}
	return err
}

// assign writes down a role and tells the account's connections.
func (s *Service) assign(ctx context.Context, u *gen.User, role auth.Role) (*gen.User, error) {
	if auth.Role(u.Role) == role {
		return u, nil
	}
	u, err := u.Update().SetRole(user.Role(role)).Save(ctx)
	if err != nil {
		return nil, err
	}
	return u, s.tell(ctx, u.ID, event.Change{Type: TypeRoleChanged, Object: u.ID, State: string(role)})
}
