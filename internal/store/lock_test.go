package store_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestForUpdateKeepsOthersFromTheRows(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		require.NoError(t, s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "a") }))
		locks := map[string]func(ctx context.Context) error{
			"an ent query": func(ctx context.Context) error {
				_, err := store.ForUpdate(s, s.Client(ctx).User.Query()).Only(ctx)
				return err
			},
			"SQL": func(ctx context.Context) error {
				return s.Query(ctx, func(*sql.Rows) error { return nil }, "SELECT id FROM users ORDER BY id"+s.ForUpdate())
			},
		}
		for what, lock := range locks {
			err := s.Tx(system(t), func(ctx context.Context) error {
				if err := lock(ctx); err != nil || !s.Postgres() {
					return err // on SQLite nobody else is in a transaction that writes
				}
				_, err := s.DB().ExecContext(ctx, "SELECT id FROM users FOR UPDATE NOWAIT")
				assert.Error(t, err, "%s locks nothing", what)
				return nil
			})
			assert.NoError(t, err, what)
		}
	})
}
