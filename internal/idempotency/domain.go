package idempotency

import (
	"context"

	"parley/internal/domain"
)

// Domain announces the keys, which expire.
func (k *Keys) Domain() domain.Domain {
	return domain.Domain{Name: "idempotency", Expire: func(ctx context.Context) error {
		_, err := k.Forget(ctx)
		return err
	}}
}
