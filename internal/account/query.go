package account

import (
	"context"
	"time"
)

// used sets last_used_at unless another process did so for this minute.
func (k *keyring) used(ctx context.Context, key string, minute time.Time) error {
	_, err := k.store.Exec(ctx, "UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)", minute, key, minute)
	return err
}
