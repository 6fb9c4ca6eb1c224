package practice

import (
	"context"
	"fmt"

	"parley/internal/store"
)

// deleteSome deletes at most accountStep rows of a table whose column holds one of
// values, and tells how many.
func (s *Service) deleteSome(ctx context.Context, table, column string, values []string) (n int64, err error) {
	condition, arg := store.Among(s.store, column, values)
	some := "SELECT id FROM " + table + " WHERE " + condition
	if table == "utterances" { // has no index by learner
		some = "SELECT id FROM utterances WHERE conversation_id IN (SELECT id FROM conversations WHERE " + condition + ")"
	}
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		n, err = s.store.Exec(ctx, "DELETE FROM "+table+" WHERE id IN ("+some+" LIMIT ?)", arg, accountStep)
		if err != nil || n == 0 {
			return err
		}
		return s.store.Erased(ctx)
	})
	if err != nil {
		return 0, fmt.Errorf("delete from %s: %w", table, err)
	}
	return n, nil
}
