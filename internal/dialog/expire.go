package dialog

import (
	"context"
	"database/sql"
	"fmt"

	"parley/ent/gen/consentchange"
	"parley/internal/store"
)

// expireStep is how many dialogs one transaction of Expire erases, so that nobody
// waits long for it.
const expireStep = 100

// Expire erases the dialogs whose customers did not agree in time.
func (s *Service) Expire(ctx context.Context) error {
	before := store.Now().Add(-s.cfg.Expiry)
	for {
		var list []int64
		err := s.query(ctx, "look for expired dialogs", func(rows *sql.Rows) error {
			var number int64
			err := rows.Scan(&number)
			list = append(list, number)
			return err
		}, "SELECT dialog_id FROM dialogs WHERE NOT approved AND created_at <= ? ORDER BY created_at LIMIT ?", before, expireStep)
		if err != nil || len(list) == 0 {
			return err
		}
		if _, err := s.eraseNumbers(ctx, list, " AND NOT approved", consentchange.StateEXPIRED, actor{}); err != nil {
			return fmt.Errorf("erase expired dialogs: %w", err)
		}
	}
}
