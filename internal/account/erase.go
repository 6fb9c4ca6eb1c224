package account

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/apikey"
	"parley/ent/gen/refreshtoken"
	"parley/ent/gen/user"
	"parley/internal/auth"
	"parley/internal/store"
)

// accountStep is how many keys or tokens of an account one transaction changes, and
// how many are read at a time.
const accountStep = 500

// Named gives the account with an e-mail address, for the command line. NOT_FOUND
// when there is none.
func (s *Service) Named(ctx context.Context, email string) (*gen.User, error) {
	ctx = auth.System(ctx, "account.named")
	u, err := s.store.Client(ctx).User.Query().Where(user.EmailKey(emailKey(email))).Only(ctx)
	if err != nil {
		return nil, withAddress(err)
	}
	return u, nil
}

// closeAccount revokes the keys of an account and ends its sessions, so that their
// open connections end in every process. NOT_FOUND when there is no such account.
func (s *Service) closeAccount(ctx context.Context, account string) error {
	if _, err := s.store.Client(ctx).User.Get(ctx, account); err != nil {
		return store.Found(err, "user")
	}
	for _, step := range []func(context.Context, string) (int, error){s.revokeSome, s.endSome} {
		if err := s.untilNone(ctx, account, step); err != nil {
			return fmt.Errorf("close the account %s: %w", account, err)
		}
	}
	return nil
}

// untilNone runs transactions until one finds nothing more to do.
func (s *Service) untilNone(ctx context.Context, account string, step func(context.Context, string) (int, error)) error {
	for n := -1; n != 0; {
		err := s.store.Tx(ctx, func(ctx context.Context) (err error) {
			n, err = step(ctx, account)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) revokeSome(ctx context.Context, account string) (int, error) {
	q := store.ForUpdate(s.store, s.store.Client(ctx).ApiKey.Query().Where(apikey.OwnerID(account), apikey.RevokedAtIsNil()).
		Order(apikey.ByID()).Limit(accountStep))
	keys, err := q.All(ctx)
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if _, err := s.revoke(ctx, k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

func (s *Service) endSome(ctx context.Context, account string) (int, error) {
	tokens, err := s.store.Client(ctx).RefreshToken.Query().Where(refreshtoken.UserID(account), refreshtoken.RevokedAtIsNil()).
		Order(refreshtoken.ByID()).Limit(accountStep).All(ctx)
	if err != nil {
		return 0, err
	}
	ended := map[string]bool{}
	for _, t := range tokens {
		if ended[t.SessionID] {
			continue
		}
		ended[t.SessionID] = true
		if err := s.end(ctx, account, t.SessionID); err != nil {
			return 0, err
		}
	}
	return len(tokens), nil
}

// deleteAccount deletes the account's keys, its sessions and itself. A sign-in that
// was under way meanwhile, and found the account, may leave a session behind it: so
// sessions are looked for again when the account is gone.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for _, step := range []func(context.Context, string) (int, error){
		s.revokeSome, s.endSome, s.deleteKeys, s.deleteTokens, s.deleteUser, s.endSome, s.deleteTokens,
	} {
		if err := s.untilNone(ctx, account, step); err != nil {
			return fmt.Errorf("delete the account %s: %w", account, err)
		}
	}
	return nil
}

func (s *Service) deleteKeys(ctx context.Context, account string) (int, error) {
	c := s.store.Client(ctx).ApiKey
	ids, err := c.Query().Where(apikey.OwnerID(account)).Order(apikey.ByID()).Limit(accountStep).IDs(ctx)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if _, err := c.Delete().Where(apikey.IDIn(ids...)).Exec(ctx); err != nil {
		return 0, err
	}
	return len(ids), s.store.Erased(ctx)
}

func (s *Service) deleteTokens(ctx context.Context, account string) (int, error) {
	c := s.store.Client(ctx).RefreshToken
	ids, err := c.Query().Where(refreshtoken.UserID(account)).Order(refreshtoken.ByID()).Limit(accountStep).IDs(ctx)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if _, err := c.Delete().Where(refreshtoken.IDIn(ids...)).Exec(ctx); err != nil {
		return 0, err
	}
	return len(ids), s.store.Erased(ctx)
}

func (s *Service) deleteUser(ctx context.Context, account string) (int, error) {
	n, err := s.store.Client(ctx).User.Delete().Where(user.ID(account)).Exec(ctx)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, s.store.Erased(ctx)
}
