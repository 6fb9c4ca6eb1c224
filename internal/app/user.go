package app

import (
	"context"
	"errors"

	"parley/ent/gen"
	"parley/internal/account"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/config"
)

// CreateUser makes an account with a role in the database of the settings.
func CreateUser(ctx context.Context, cfg *config.Config, in account.SignUpInput, role auth.Role) (*gen.User, error) {
	return withAccounts(ctx, cfg, func(accounts *account.Service) (*gen.User, error) { return accounts.Create(ctx, in, role) })
}

// SetUserRole gives the account with an e-mail address another role in the
// database of the settings. Processes that run end its connections.
func SetUserRole(ctx context.Context, cfg *config.Config, email string, role auth.Role) (*gen.User, error) {
	return withAccounts(ctx, cfg, func(accounts *account.Service) (*gen.User, error) { return accounts.Assign(ctx, email, role) })
}

// withAccounts opens the accounts of the settings' database for one call.
func withAccounts(ctx context.Context, cfg *config.Config, do func(*account.Service) (*gen.User, error)) (u *gen.User, err error) {
	p, err := openData(ctx, cfg, Serve)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	key, err := signingKey(cfg)
	if err != nil {
		return nil, err
	}
	tokens, err := auth.NewTokens(key, cfg.AccessLifetime)
	if err != nil {
		return nil, err
	}
	accounts, err := account.New(ctx, p.store, p.log, tokens, cache.NewMemory(1<<20), account.Config{})
	if err != nil {
		return nil, err
	}
	return do(accounts)
}
