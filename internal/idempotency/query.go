package idempotency

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"parley/internal/store"
)

// forgetStep is how many expired keys one transaction deletes, so that nobody
// waits long for it.
const forgetStep = 1000

// row is what is kept of a key.
type row struct {
	fingerprint string
	answer      []string
	position    int64
}

// The statement that claims keys has the same words for any number of them. It
// takes over those that have expired but were not deleted yet; the others that
// are there it leaves out, and keeps from being deleted.
const (
	insertColumns = "INSERT INTO idempotency_keys (id, created_at, owner_id, operation, fingerprint, answer, position, about) "
	insertEnd     = ` ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at, fingerprint = excluded.fingerprint,
			answer = excluded.answer, position = excluded.position, about = excluded.about
		WHERE idempotency_keys.created_at <= ? RETURNING id`
	insertPostgres = insertColumns + `
		SELECT new.id, ?::timestamptz, new.owner, new.operation, new.fingerprint, new.answer::jsonb, 0, NULLIF(new.about, '')
		FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[])
			AS new (id, owner, operation, fingerprint, answer, about)
		ORDER BY new.id` + insertEnd
	insertSQLite = insertColumns + `
		SELECT value->>0, ?, value->>1, value->>2, value->>3, value->>4, 0, NULLIF(value->>5, '') FROM json_each(?)
		WHERE true` + insertEnd
)

// insert writes the claims whose keys are free and gives the ids of their rows.
func (k *Keys) insert(ctx context.Context, claims []*Claim) (map[string]bool, error) {
	now := store.Now()
	args, err := k.insertArgs(claims)
	if err != nil {
		return nil, err
	}
	query := insertSQLite
	if k.store.Postgres() {
		query = insertPostgres
	}
	held := make(map[string]bool, len(claims))
	err = k.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		held[id] = true
		return err
	}, query, append(append([]any{now}, args...), now.Add(-Lifetime))...)
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}
	return held, nil
}

// insertArgs gives the columns of claims: an array of each for Postgres, one JSON
// value for SQLite.
func (k *Keys) insertArgs(claims []*Claim) ([]any, error) {
	lines := make([][]string, len(claims))
	for i, c := range claims {
		answer, err := encode(c.Answer)
		if err != nil {
			return nil, err
		}
		lines[i] = []string{c.ID, c.owner, c.operation, c.fingerprint, answer, c.About}
	}
	if !k.store.Postgres() {
		data, err := json.Marshal(lines)
		return []any{string(data)}, err
	}
	columns := make([]any, 6)
	for j := range columns {
		column := make([]string, len(lines))
		for i := range lines {
			column[i] = lines[i][j]
		}
		columns[j] = column
	}
	return columns, nil
}

func encode(answer []string) (string, error) {
	if answer == nil {
		return "[]", nil
	}
	data, err := json.Marshal(answer)
	return string(data), err
}

// find gives the rows of those claims that are not held, by id.
func (k *Keys) find(ctx context.Context, claims []*Claim, held map[string]bool) (map[string]*row, error) {
	var ids []string
	for _, c := range claims {
		if !held[c.ID] {
			ids = append(ids, c.ID)
		}
	}
	condition, arg := store.Among(k.store, "id", ids)
	found := make(map[string]*row, len(ids))
	err := k.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		var answer []byte
		r := &row{}
		if err := rows.Scan(&id, &r.fingerprint, &answer, &r.position); err != nil {
			return err
		}
		found[id] = r
		return json.Unmarshal(answer, &r.answer)
	}, "SELECT id, fingerprint, answer, position FROM idempotency_keys WHERE "+condition, arg)
	if err != nil {
		return nil, fmt.Errorf("read idempotency keys: %w", err)
	}
	if len(found) < len(ids) {
		return nil, fmt.Errorf("of %d idempotency keys that are taken %d were found", len(ids), len(found))
	}
	return found, nil
}

// setAnswer fills in what a claim that is held was answered.
func (k *Keys) setAnswer(ctx context.Context, c *Claim, values []string, position int64) error {
	answer, err := encode(values)
	if err != nil {
		return err
	}
	if _, err := k.store.Exec(ctx, "UPDATE idempotency_keys SET answer = ?, position = ? WHERE id = ?", answer, position, c.ID); err != nil {
		return fmt.Errorf("keep the answer to an idempotency key: %w", err)
	}
	return nil
}

// Release gives keys back that the transaction of the context holds, since their
// work failed.
func (k *Keys) Release(ctx context.Context, claims []*Claim) error {
	ids := make([]string, len(claims))
	for i, c := range claims {
		ids[i] = c.ID
	}
	return k.delete(ctx, "release", "id", ids)
}

// Erase forgets the keys of calls about objects, inside the transaction that
// erases these: neither key nor fingerprint stays.
func (k *Keys) Erase(ctx context.Context, objects []string) error {
	return k.delete(ctx, "erase", "about", objects)
}

func (k *Keys) delete(ctx context.Context, what, column string, values []string) error {
	if len(values) == 0 {
		return nil
	}
	condition, arg := store.Among(k.store, column, values)
	if _, err := k.store.Exec(ctx, "DELETE FROM idempotency_keys WHERE "+condition, arg); err != nil {
		return fmt.Errorf("%s idempotency keys: %w", what, err)
	}
	return nil
}

// Forget deletes the keys that have expired and tells how many.
func (k *Keys) Forget(ctx context.Context) (n int64, err error) {
	before := store.Now().Add(-Lifetime)
	for {
		// The condition stands twice, so that one which is claimed anew meanwhile stays.
		some, err := k.store.Exec(ctx, `DELETE FROM idempotency_keys WHERE created_at <= ? AND id IN (
			SELECT id FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT ?)`, before, before, forgetStep)
		if n += some; err != nil {
			return n, fmt.Errorf("forget idempotency keys: %w", err)
		}
		if some < forgetStep {
			return n, nil
		}
	}
}

// eraseStep is how many keys of an owner one transaction deletes.
const eraseStep = 500

// EraseOwner forgets all keys of an owner.
func (k *Keys) EraseOwner(ctx context.Context, owner string) error {
	for {
		var n int64
		err := k.store.Tx(ctx, func(ctx context.Context) (err error) {
			n, err = k.store.Exec(ctx, "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE owner_id = ? LIMIT ?)", owner, eraseStep)
			if err != nil || n == 0 {
				return err
			}
			return k.store.Erased(ctx)
		})
		if err != nil {
			return fmt.Errorf("erase the idempotency keys of an owner: %w", err)
		}
		if n < eraseStep {
			return nil
		}
	}
}
