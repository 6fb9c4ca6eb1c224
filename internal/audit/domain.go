package audit

import (
	"context"

	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/object"
)

// Domain announces the audit log.
func (l *Log) Domain() domain.Domain {
	return domain.Domain{
		Name:       "audit",
		Objects:    []object.Kind{object.One("aud", l.Get)},
		Operations: map[string]auth.Access{"Query.auditEntries": auth.WithRole(auth.RoleAdmin)},
		Waiting:    l.Waiting,
		Account:    domain.Account{Delete: l.deleteAccount, Export: l.exportAccount},
		Expire: func(ctx context.Context) error {
			_, err := l.Forget(ctx)
			return err
		},
	}
}
