package dialog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"parley/ent/gen/consentchange"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// eraseStep is how many dialogs one transaction erases.
const eraseStep = 500

// EraseCustomer erases all dialogs of a customer, those that the key's account
// pushed, or as ADMIN all, and tells how many. It does so in several
// transactions: after an error some are erased, and calling again goes on. The
// cursor is the place in the event log before the first.
func (s *Service) EraseCustomer(ctx context.Context, in EraseInput) (erased int, cursor event.Cursor, err error) {
	viewer, err := eraser(ctx)
	if err != nil {
		return 0, cursor, err
	}
	customer, err := parseNumber(in.CustomerID, below(nil, "customerId"))
	if err != nil {
		return 0, cursor, err
	}
	where, args := "customer_id = ?", []any{customer}
	if !viewer.Admin() {
		where, args = where+" AND owner_id = ?", append(args, viewer.ID)
	}
	head, err := s.log.Head(ctx)
	if err != nil {
		return 0, cursor, err
	}
	cursor = s.log.Cursor(head)
	for last, more := int64(-1), true; more && err == nil; {
		var n int
		n, last, more, err = s.eraseSome(ctx, where, args, last, actorOf(viewer))
		erased += n
	}
	return erased, cursor, err
}

func eraser(ctx context.Context) (auth.Viewer, error) {
	viewer, err := auth.RequireAny(ctx)
	if err == nil && viewer.Admin() && viewer.Key == "" {
		return viewer, nil
	}
	return auth.RequireScope(ctx, auth.ScopeDialogsErase)
}

// eraseSome erases the dialogs that match where, of those with numbers behind
// last the lowest. It gives the highest of their numbers, and whether there may
// be more.
func (s *Service) eraseSome(ctx context.Context, where string, args []any, last int64, by actor) (n int, highest int64, more bool, err error) {
	var list []int64
	args = append(slices.Clip(args), last)
	args = append(append(args, args...), eraseStep)
	err = s.query(ctx, "look for dialogs of a customer", func(rows *sql.Rows) error {
		var number int64
		err := rows.Scan(&number)
		list = append(list, number)
		return err
	}, `SELECT dialog_id FROM (
			SELECT dialog_id FROM dialogs WHERE NOT approved AND `+where+` AND dialog_id > ?
			UNION ALL SELECT dialog_id FROM dialogs WHERE approved AND `+where+` AND dialog_id > ?) AS both_kinds
		ORDER BY dialog_id LIMIT ?`, args...)
	if err != nil || len(list) == 0 {
		return 0, last, false, err
	}
	n, err = s.eraseNumbers(ctx, list, "", consentchange.StateERASED, by)
	return n, list[len(list)-1], len(list) == eraseStep, err
}

// eraseNumbers erases those dialogs with the numbers that are still there and
// match the condition, in one transaction, and tells how many.
func (s *Service) eraseNumbers(ctx context.Context, list []int64, condition string, state consentchange.State, by actor) (n int, err error) {
	in, arg := store.Among(s.store, "dialog_id", list)
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		var found []*Dialog
		err := s.query(ctx, "lock dialogs", func(rows *sql.Rows) error {
			d := &Dialog{}
			err := rows.Scan(&d.ID, &d.DialogID, &d.OwnerID, &d.Approved)
			found = append(found, d)
			return err
		}, "SELECT id, dialog_id, owner_id, approved FROM dialogs WHERE "+in+condition+" ORDER BY dialog_id"+s.store.ForUpdate(), arg)
		if n = len(found); err != nil || n == 0 {
			return err
		}
		return s.erase(ctx, found, state, by)
	})
	return n, err
}

// erase deletes locked dialogs with everything that was said in them, and the
// idempotency keys with which it was. What is left is a tombstone with the number,
// and the history of the consent.
func (s *Service) erase(ctx context.Context, dialogs []*Dialog, state consentchange.State, by actor) error {
	now := store.Now()
	ids := idsOf(dialogs)
	if err := s.deleteDialogs(ctx, ids); err != nil {
		return err
	}
	if err := s.keys.Erase(ctx, ids); err != nil {
		return err
	}
	if _, err := s.store.InsertRows(ctx, "INSERT INTO dialog_tombstones (id, owner_id, erased_at) VALUES ", "(?, ?, ?)", "",
		len(dialogs), func(i int, args []any) []any { return append(args, dialogs[i].DialogID, dialogs[i].OwnerID, now) }); err != nil {
		return err
	}
	if err := s.store.Erased(ctx); err != nil {
		return err
	}
	return s.record(ctx, dialogs, state, by, now)
}

// deleteDialogs deletes rows with their messages.
func (s *Service) deleteDialogs(ctx context.Context, ids []string) error {
	for _, table := range []string{"dialog_messages WHERE parent_id", "dialogs WHERE id"} {
		name, column, _ := strings.Cut(table, " WHERE ")
		condition, arg := store.Among(s.store, column, ids)
		if _, err := s.store.Exec(ctx, "DELETE FROM "+name+" WHERE "+condition, arg); err != nil {
			return fmt.Errorf("delete from %s: %w", name, err)
		}
	}
	return nil
}
