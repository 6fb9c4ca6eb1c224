package account

import (
	"context"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/apikey"
	"parley/ent/gen/refreshtoken"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/page"
	"parley/internal/store"
)

type exportedUser struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

type exportedKey struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	Hint       string       `json:"hint"`
	Scopes     []auth.Scope `json:"scopes"`
	CreatedAt  time.Time    `json:"createdAt"`
	ExpiresAt  *time.Time   `json:"expiresAt"`
	LastUsedAt *time.Time   `json:"lastUsedAt"`
	RevokedAt  *time.Time   `json:"revokedAt"`
}

// exportedSession is one sign-in or refresh of a session.
type exportedSession struct {
	ID        string     `json:"id"`
	At        time.Time  `json:"at"`
	ExpiresAt time.Time  `json:"expiresAt"`
	UsedAt    *time.Time `json:"usedAt"`
	RevokedAt *time.Time `json:"revokedAt"`
}

// exportAccount writes the account, its keys and the times of its sessions, but
// neither a secret nor the hash of one.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	u, err := s.store.Client(ctx).User.Get(ctx, account)
	if err != nil {
		return store.Found(err, "user")
	}
	if err := write("User", exportedUser{u.ID, u.Email, string(u.Role), u.CreatedAt.UTC(), u.UpdatedAt.UTC()}); err != nil {
		return err
	}
	err = page.All(accountStep,
		func(after string, limit int) ([]*gen.ApiKey, error) {
			return s.store.Client(ctx).ApiKey.Query().Where(apikey.OwnerID(account), apikey.IDGT(after)).Order(apikey.ByID()).Limit(limit).All(ctx)
		},
		func(k *gen.ApiKey) string { return k.ID },
		func(k *gen.ApiKey) error {
			return write("ApiKey", exportedKey{
				k.ID, k.Name, k.Hint, k.Scopes, k.CreatedAt.UTC(), inUTC(k.ExpiresAt), inUTC(k.LastUsedAt), inUTC(k.RevokedAt),
			})
		})
	if err != nil {
		return fmt.Errorf("export API keys: %w", err)
	}
	err = page.All(accountStep,
		func(after string, limit int) ([]*gen.RefreshToken, error) {
			return s.store.Client(ctx).RefreshToken.Query().Where(refreshtoken.UserID(account), refreshtoken.IDGT(after)).
				Order(refreshtoken.ByID()).Limit(limit).All(ctx)
		},
		func(t *gen.RefreshToken) string { return t.ID },
		func(t *gen.RefreshToken) error {
			return write("Session", exportedSession{t.SessionID, t.CreatedAt.UTC(), t.ExpiresAt.UTC(), inUTC(t.UsedAt), inUTC(t.RevokedAt)})
		})
	if err != nil {
		return fmt.Errorf("export sessions: %w", err)
	}
	return nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
