package dialog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/store"
)

const insertDialogs = "INSERT INTO dialogs (id, created_at, dialog_id, customer_id, owner_id, language, text, approved, idempotency_key) "

// insertArrays has the same words for any number of rows, so that Postgres plans
// it once. All transactions insert in the order of the numbers, so that two don't
// wait for each other.
const insertArrays = insertDialogs + `
	SELECT new.id, new.at, new.number, new.customer, new.owner, new.language, new.text, false, new.key
	FROM unnest(?::text[], ?::timestamptz[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[])
		AS new (id, at, number, customer, owner, language, text, key)
	WHERE NOT EXISTS (SELECT FROM dialog_tombstones WHERE dialog_tombstones.id = new.number)
	ORDER BY new.number
	ON CONFLICT DO NOTHING RETURNING id`

// The statement of SQLite, around its rows.
const (
	insertHead = "WITH new (id, at, number, customer, owner, language, text, key) AS (VALUES "
	insertRow  = "(?, ?, ?, ?, ?, ?, ?, ?)"
	insertEnd  = ") " + insertDialogs + `
	SELECT new.id, new.at, new.number, new.customer, new.owner, new.language, new.text, false, new.key FROM new
	WHERE NOT EXISTS (SELECT 1 FROM dialog_tombstones WHERE dialog_tombstones.id = new.number)
	ON CONFLICT DO NOTHING RETURNING id`
)

// insert writes those drafts whose number and key are free and gives the ids of
// their rows. No two of them may want the same.
func (s *Service) insert(ctx context.Context, drafts []*draft) (map[string]bool, error) {
	inserted := make(map[string]bool, len(drafts))
	scan := func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		inserted[id] = true
		return err
	}
	if s.store.Postgres() {
		return inserted, s.query(ctx, "insert dialogs", scan, insertArrays, arrays(drafts)...)
	}
	err := s.store.QueryRows(ctx, scan, insertHead, insertRow, insertEnd, len(drafts), func(i int, args []any) []any {
		d := drafts[i]
		return append(args, d.ID, d.CreatedAt, d.DialogID, d.CustomerID, d.OwnerID, d.Language, d.Text, d.key)
	})
	if err != nil {
		return nil, fmt.Errorf("insert dialogs: %w", err)
	}
	return inserted, nil
}

// arrays gives the columns of drafts.
func arrays(drafts []*draft) []any {
	n := len(drafts)
	ids, times, numbers, customers := make([]string, n), make([]time.Time, n), make([]int64, n), make([]int64, n)
	owners, languages, texts, keys := make([]string, n), make([]string, n), make([]string, n), make([]*string, n)
	for i, d := range drafts {
		ids[i], times[i], numbers[i], customers[i] = d.ID, d.CreatedAt, d.DialogID, d.CustomerID
		owners[i], languages[i], texts[i], keys[i] = d.OwnerID, d.Language, d.Text, d.key
	}
	return []any{ids, times, numbers, customers, owners, languages, texts, keys}
}

// wantedNumbers gives the chatbot's numbers that drafts want, each once, the
// lowest first.
func wantedNumbers(drafts []*draft) []int64 {
	list := make([]int64, len(drafts))
	for i, d := range drafts {
		list[i] = d.DialogID
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// tombstones gives the numbers of drafts whose dialogs were erased.
func (s *Service) tombstones(ctx context.Context, drafts []*draft) (map[int64]bool, error) {
	return s.wantedIn(ctx, "look for tombstones", "SELECT id FROM dialog_tombstones WHERE ", "id", drafts)
}

// taken gives the numbers of drafts that rows have.
func (s *Service) taken(ctx context.Context, drafts []*draft) (map[int64]bool, error) {
	return s.wantedIn(ctx, "look for dialogs", "SELECT dialog_id FROM dialogs WHERE ", "dialog_id", drafts)
}

// wantedIn gives those of the numbers that drafts want which a column has.
func (s *Service) wantedIn(ctx context.Context, what, query, column string, drafts []*draft) (map[int64]bool, error) {
	condition, arg := store.Among(s.store, column, wantedNumbers(drafts))
	found := map[int64]bool{}
	return found, s.query(ctx, what, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		found[n] = true
		return err
	}, query+condition, arg)
}

// keyedDialog is a dialog with the key of its push.
type keyedDialog struct {
	Dialog
	key string
}

// keyed gives the dialogs that were pushed with the keys of drafts.
func (s *Service) keyed(ctx context.Context, drafts []*draft) (map[ownKey]*keyedDialog, error) {
	byOwner := map[string][]string{}
	for _, d := range drafts {
		if d.key != nil {
			byOwner[d.OwnerID] = append(byOwner[d.OwnerID], *d.key)
		}
	}
	found := map[ownKey]*keyedDialog{}
	for owner, keys := range byOwner {
		condition, arg := store.Among(s.store, "idempotency_key", keys)
		err := s.query(ctx, "look for idempotency keys", func(rows *sql.Rows) error {
			d := &keyedDialog{Dialog: Dialog{OwnerID: owner}}
			err := rows.Scan(&d.ID, &d.CreatedAt, &d.DialogID, &d.CustomerID, &d.Language, &d.Text, &d.key)
			d.CreatedAt = d.CreatedAt.UTC()
			found[ownKey{owner, d.key}] = d
			return err
		}, `SELECT id, created_at, dialog_id, customer_id, language, text, idempotency_key FROM dialogs
			WHERE idempotency_key IS NOT NULL AND owner_id = ? AND `+condition, owner, arg)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// freeKeys takes the keys of dialogs away, so that others may use them.
func (s *Service) freeKeys(ctx context.Context, ids []string) error {
	slices.Sort(ids)
	condition, arg := store.Among(s.store, "id", slices.Compact(ids))
	return s.exec(ctx, "free idempotency keys", "UPDATE dialogs SET idempotency_key = NULL WHERE "+condition, arg)
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
