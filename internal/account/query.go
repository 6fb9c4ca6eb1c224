package account

import (
	"context"
	"database/sql"
	"time"

	"parley/internal/auth"
)

// used sets last_used_at unless another process did so for this minute.
func (k *keyring) used(ctx context.Context, key string, minute time.Time) error {
	_, err := k.store.Exec(ctx, "UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)", minute, key, minute)
	return err
}

// sessionState gives the role that an account has now, empty when there is no
// account, and whether the session is one of its own that has not ended.
func (s *Service) sessionState(ctx context.Context, account, session string) (role auth.Role, open bool, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&role, &open) },
		`SELECT role, EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = ? AND user_id = users.id AND revoked_at IS NULL)
			FROM users WHERE id = ?`, session, account)
	return role, open, err
}

// keyState gives the role that an account has now, empty when there is no
// account, and whether the key is one of its own that was not revoked.
func (s *Service) keyState(ctx context.Context, account, key string) (role auth.Role, works bool, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&role, &works) },
		`SELECT role, EXISTS (SELECT 1 FROM api_keys WHERE id = ? AND owner_id = users.id AND revoked_at IS NULL)
			FROM users WHERE id = ?`, key, account)
	return role, works, err
}
