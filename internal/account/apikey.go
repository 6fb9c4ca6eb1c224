package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/ent/gen"
	"parley/ent/gen/apikey"
	"parley/ent/gen/predicate"
	"parley/ent/gen/user"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/page"
	"parley/internal/store"
)

// Limits of an API key.
const (
	MaxKeyName  = 100                        // characters
	maxKeyYears = 100 * 365 * 24 * time.Hour // from its making to its end
	hintLength  = 4                          // characters of the secret
)

// CreateKeyInput is the input of createApiKey.
type CreateKeyInput struct {
	Name           string       `json:"name"`
	Scopes         []auth.Scope `json:"scopes"`
	ExpiresAt      *time.Time   `json:"expiresAt"`
	IdempotencyKey *string      `json:"idempotencyKey"`
}

// Validate reports every problem of the input.
func (in CreateKeyInput) Validate() error {
	return errors.Join(checkKeyName(in.Name), checkScopes(in.Scopes), checkKeyEnd(in.ExpiresAt),
		idempotency.CheckKey(in.IdempotencyKey, "input", "idempotencyKey"))
}

func checkKeyName(name string) error {
	n := utf8.RuneCountInString(name)
	if n > MaxKeyName || strings.TrimSpace(name) == "" || !store.Storable(name) {
		return apperr.Input("name", "A key's name has 1 to %d characters.", MaxKeyName)
	}
	return nil
}

func checkScopes(scopes []auth.Scope) error {
	if len(scopes) == 0 {
		return apperr.Input("scopes", "Name at least one scope: a key without any could do nothing.")
	}
	for _, s := range scopes {
		if !s.Valid() {
			return apperr.Input("scopes", "%.40q is no scope; the scopes are %v.", s, auth.AllScopes())
		}
	}
	return nil
}

func checkKeyEnd(at *time.Time) error {
	if at == nil {
		return nil
	}
	if left := time.Until(*at); left <= 0 || left > maxKeyYears {
		return apperr.Input("expiresAt", "A key ends in the future, within 100 years, or never.")
	}
	return nil
}

// CreateKey makes an API key of the viewer, a signed-in SERVICE or ADMIN, and
// gives it with its secret, of which only a hash is kept. CONFLICT when the
// account has as many working keys as it may. The same idempotency key gives the
// first call's key and secret again.
func (s *Service) CreateKey(ctx context.Context, in CreateKeyInput) (*gen.ApiKey, string, error) {
	v, err := auth.RequireRole(ctx, keyOwners()...)
	if err != nil {
		return nil, "", err
	}
	if err := in.Validate(); err != nil {
		return nil, "", err
	}
	in.Scopes = slices.DeleteFunc(auth.AllScopes(), func(s auth.Scope) bool { return !slices.Contains(in.Scopes, s) })
	if in.ExpiresAt != nil {
		end := in.ExpiresAt.UTC().Truncate(time.Microsecond)
		in.ExpiresAt = &end
	}
	same := in
	same.IdempotencyKey = nil
	var key *gen.ApiKey
	var secret string
	call := idempotency.Call{Owner: v.ID, Operation: "createApiKey", Key: in.IdempotencyKey, Input: same}
	answer, err := s.calls.Once(ctx, call, func(ctx context.Context) ([]string, error) {
		var err error
		if key, secret, err = s.makeKey(ctx, v.ID, in); err != nil || in.IdempotencyKey == nil {
			return nil, err
		}
		sealed, err := s.tokens.Seal(secret, call.Operation, v.ID, *in.IdempotencyKey)
		return []string{key.ID, sealed}, err
	})
	if err == nil && answer.Repeated {
		return s.keyAgain(ctx, call, answer)
	}
	if err != nil {
		return nil, "", err
	}
	return key, secret, nil
}

// makeKey writes a key inside the transaction of the context.
func (s *Service) makeKey(ctx context.Context, owner string, in CreateKeyInput) (*gen.ApiKey, string, error) {
	if err := s.checkRoom(ctx, owner); err != nil {
		return nil, "", err
	}
	secret, err := auth.NewSecret(auth.KeyPrefix)
	if err != nil {
		return nil, "", err
	}
	key, err := s.store.Client(ctx).ApiKey.Create().SetID(store.NewID("key")).SetOwnerID(owner).SetName(in.Name).
		SetKeyHash(auth.HashSecret(secret)).SetHint(secret[len(secret)-hintLength:]).SetScopes(in.Scopes).
		SetNillableExpiresAt(in.ExpiresAt).Save(ctx)
	return key, secret, err
}

// keyAgain gives the key that an earlier call made. Its secret was sealed with the
// client's idempotency key, which is not kept: nobody else can have it again.
func (s *Service) keyAgain(ctx context.Context, call idempotency.Call, answer idempotency.Answer) (*gen.ApiKey, string, error) {
	id, sealed := answer.Values[0], answer.Values[1]
	key, err := s.store.Client(ctx).ApiKey.Get(ctx, id)
	if err != nil {
		return nil, "", store.Found(err, "API key")
	}
	secret, err := s.tokens.Unseal(sealed, call.Operation, call.Owner, *call.Key)
	if err != nil {
		return nil, "", apperr.Wrap(err, apperr.Conflict,
			"This call made the API key %s before the server's signing key was changed, so its secret can't be given again: revoke it and make another.", id)
	}
	return key, secret, nil
}

// keyOwners are the roles whose accounts have keys.
func keyOwners() []auth.Role { return []auth.Role{auth.RoleService, auth.RoleAdmin} }

// checkRoom refuses one key too many. The account's row is locked, so that
// concurrent calls count one after the other.
func (s *Service) checkRoom(ctx context.Context, owner string) error {
	q := store.ForUpdate(s.store, s.store.Client(ctx).User.Query().Where(user.ID(owner)))
	switch u, err := q.Only(ctx); {
	case gen.IsNotFound(err):
		return errNoAccount
	case err != nil:
		return err
	case !slices.Contains(keyOwners(), auth.Role(u.Role)): // the token is older than the role
		return apperr.New(apperr.Forbidden, "Your role %s may not do this.", u.Role)
	}
	n, err := s.store.Client(ctx).ApiKey.Query().Where(apikey.OwnerID(owner), apikey.RevokedAtIsNil(),
		apikey.Or(apikey.ExpiresAtIsNil(), apikey.ExpiresAtGT(store.Now()))).Count(ctx)
	if err != nil {
		return err
	}
	if n >= s.cfg.MaxKeys {
		return apperr.New(apperr.Conflict, "An account has at most %d working API keys: revoke one first.", s.cfg.MaxKeys)
	}
	return nil
}

// Keys gives a page of the viewer's own keys, the newest first, the revoked
// among them.
func (s *Service) Keys(ctx context.Context, args page.Args) (*page.Page[*gen.ApiKey], error) {
	v, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	order := page.Order[*gen.ApiKey]{
		Name: "CREATED_AT", Column: apikey.FieldCreatedAt, Descending: true,
		Key: func(k *gen.ApiKey) (any, string) { return k.CreatedAt, k.ID },
	}
	own := apikey.OwnerID(v.ID) // an admin may see everybody's, one at a time
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*gen.ApiKey, error) {
			return s.store.Client(ctx).ApiKey.Query().Where(own, predicate.ApiKey(c.Where)).
				Order(apikey.OrderOption(c.Order)).Limit(limit).All(ctx)
		},
		func() (int, error) { return s.store.Client(ctx).ApiKey.Query().Where(own).Count(ctx) },
	)
}

// Key gives a key that the viewer may see: their own, an admin anybody's.
func (s *Service) Key(ctx context.Context, id string) (*gen.ApiKey, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID("key", id, "id"); err != nil {
		return nil, err
	}
	key, err := s.store.Client(ctx).ApiKey.Get(ctx, id)
	return key, store.Found(err, "API key")
}

// RevokeKey ends a key of the viewer, for an admin anybody's. This process
// refuses it from now on, others do once they have forgotten it; its open
// connections end. Revoking again changes nothing.
func (s *Service) RevokeKey(ctx context.Context, id string) (*gen.ApiKey, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID("key", id, "input", "id"); err != nil {
		return nil, err
	}
	var key *gen.ApiKey
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		q := store.ForUpdate(s.store, s.store.Client(ctx).ApiKey.Query().Where(apikey.ID(id)))
		var err error
		if key, err = q.Only(ctx); err != nil {
			return store.Found(err, "API key")
		}
		// The query was the viewer's; admins may not change what is not theirs.
		key, err = s.revoke(auth.System(ctx, "account.revokeKey"), key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// revoke ends a locked key and tells its connections.
func (s *Service) revoke(ctx context.Context, key *gen.ApiKey) (_ *gen.ApiKey, err error) {
	if key.RevokedAt == nil {
		if key, err = key.Update().SetRevokedAt(store.Now()).Save(ctx); err != nil {
			return nil, err
		}
		if err := s.tell(ctx, key.OwnerID, event.Change{Type: TypeKeyRevoked, Object: key.ID}); err != nil {
			return nil, err
		}
	}
	hash := key.KeyHash
	store.AfterCommit(ctx, func() { s.keys.forget(hash) })
	return key, nil
}
