package store_test

import (
	"context"
	"database/sql"
	"testing"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestForUpdateKeepsOthersFromTheRows(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		if err := s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "a") }); err != nil {
			t.Fatal(err)
		}
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
				if _, err := s.DB().ExecContext(ctx, "SELECT id FROM users FOR UPDATE NOWAIT"); err == nil {
					t.Errorf("%s locks nothing", what)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
