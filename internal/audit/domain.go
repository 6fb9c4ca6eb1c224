package audit

import (
	"context"

	"parley/internal/domain"
	"parley/internal/object"
)

// Domain announces the audit log.
func (l *Log) Domain() domain.Domain {
	return domain.Domain{
		Name:    "audit",
		Objects: []object.Kind{object.One("aud", l.Get)},
		Waiting: l.Waiting,
		Expire: func(ctx context.Context) error {
			_, err := l.Forget(ctx)
			return err
		},
	}
}
