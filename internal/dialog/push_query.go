package dialog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"parley/internal/store"
)

const insertDialogs = "INSERT INTO dialogs (id, created_at, dialog_id, customer_id, owner_id, language, text, approved) "

// insertArrays has the same words for any number of rows, so that Postgres plans
// it once. All transactions insert in the order of the numbers, so that two don't
// wait for each other.
const insertArrays = insertDialogs + `
	SELECT new.id, new.at, new.number, new.customer, new.owner, new.language, new.text, false
	FROM unnest(?::text[], ?::timestamptz[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[])
		AS new (id, at, number, customer, owner, language, text)
	WHERE NOT EXISTS (SELECT FROM dialog_tombstones WHERE dialog_tombstones.id = new.number)
	ORDER BY new.number
	ON CONFLICT DO NOTHING RETURNING id`

// The statement of SQLite, around its rows.
const (
	insertHead = "WITH new (id, at, number, customer, owner, language, text) AS (VALUES "
	insertRow  = "(?, ?, ?, ?, ?, ?, ?)"
	insertEnd  = ") " + insertDialogs + `
	SELECT new.id, new.at, new.number, new.customer, new.owner, new.language, new.text, false FROM new
	WHERE NOT EXISTS (SELECT 1 FROM dialog_tombstones WHERE dialog_tombstones.id = new.number)
	ON CONFLICT DO NOTHING RETURNING id`
)

// insert writes those drafts whose number is free and gives the ids of their rows.
// No two of them may want the same number.
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
		return append(args, d.ID, d.CreatedAt, d.DialogID, d.CustomerID, d.OwnerID, d.Language, d.Text)
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
	owners, languages, texts := make([]string, n), make([]string, n), make([]string, n)
	for i, d := range drafts {
		ids[i], times[i], numbers[i], customers[i] = d.ID, d.CreatedAt, d.DialogID, d.CustomerID
		owners[i], languages[i], texts[i] = d.OwnerID, d.Language, d.Text
	}
	return []any{ids, times, numbers, customers, owners, languages, texts}
}

// tombstones gives the numbers of drafts whose dialogs were erased.
func (s *Service) tombstones(ctx context.Context, drafts []*draft) (map[int64]bool, error) {
	numbers := make([]int64, len(drafts))
	for i, d := range drafts {
		numbers[i] = d.DialogID
	}
	condition, arg := store.Among(s.store, "id", numbers)
	found := map[int64]bool{}
	return found, s.query(ctx, "look for tombstones", func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		found[n] = true
		return err
	}, "SELECT id FROM dialog_tombstones WHERE "+condition, arg)
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
