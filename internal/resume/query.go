package resume

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/internal/batch"
	"parley/internal/event"
	"parley/internal/store"
)

// load gives where a reader stands and whether that is known.
func (b *Book) load(ctx context.Context, p position) (at event.Cursor, known bool, err error) {
	err = b.store.Query(ctx, func(rows *sql.Rows) error {
		known = true
		return rows.Scan(&at.Epoch, &at.Position)
	}, "SELECT epoch, position FROM stream_positions WHERE owner_id = ? AND name = ? AND updated_at >= ?", p.owner, p.name, b.oldest(p.name))
	if err != nil {
		return event.Cursor{}, false, fmt.Errorf("look up where a reader stands: %w", err)
	}
	return at, known, nil
}

// oldest is when a position of that name was last written, or it is forgotten.
func (b *Book) oldest(name string) time.Time {
	keep := b.cfg.KeepKeys
	if strings.HasPrefix(name, operationPrefix) {
		keep = b.cfg.KeepOperations
	}
	return store.Now().Add(-keep)
}

// save moves a reader to a position of the log, never back, and gives where it
// stands then.
func (b *Book) save(ctx context.Context, p position) (event.Cursor, error) {
	saved, err := b.writer.Do(ctx, p)
	if err != nil {
		return event.Cursor{}, err
	}
	return saved[0].Value, saved[0].Err
}

// commit writes positions. Those of one reader follow each other; one row can't be
// written twice by a statement, so only the furthest of them is.
func (b *Book) commit(ctx context.Context, items []position) ([]batch.Result[event.Cursor], error) {
	furthest := make([]position, 0, len(items))
	for _, p := range items {
		last := len(furthest) - 1
		switch {
		case last < 0 || furthest[last].key() != p.key():
			furthest = append(furthest, p)
		case p.at.Epoch == "": // none of this log replaces nothing
		case p.at.Epoch != furthest[last].at.Epoch || p.at.Position > furthest[last].at.Position:
			furthest[last] = p
		}
	}
	now := store.Now()
	stands := make(map[string]event.Cursor, len(furthest))
	err := b.store.QueryRows(ctx, func(rows *sql.Rows) error {
		var p position
		err := rows.Scan(&p.owner, &p.name, &p.at.Epoch, &p.at.Position)
		stands[p.key()] = p.at
		return err
	}, "INSERT INTO stream_positions (owner_id, name, epoch, position, updated_at) VALUES ", "(?, ?, ?, ?, ?)",
		` ON CONFLICT (owner_id, name) DO UPDATE SET updated_at = excluded.updated_at,
			epoch = CASE WHEN excluded.epoch = '' THEN stream_positions.epoch ELSE excluded.epoch END,
			position = CASE WHEN excluded.epoch = '' OR stream_positions.epoch = excluded.epoch AND stream_positions.position > excluded.position
				THEN stream_positions.position ELSE excluded.position END
		RETURNING owner_id, name, epoch, position`,
		len(furthest), func(i int, args []any) []any {
			p := furthest[i]
			return append(args, p.owner, p.name, p.at.Epoch, p.at.Position, now)
		})
	if err != nil {
		return nil, err
	}
	results := make([]batch.Result[event.Cursor], len(items))
	for i, p := range items {
		results[i].Value = stands[p.key()]
	}
	return results, nil
}

// forget makes a reader unknown.
func (b *Book) forget(ctx context.Context, owner, name string) error {
	err := b.store.Tx(ctx, func(ctx context.Context) error {
		_, err := b.store.Exec(ctx, "DELETE FROM stream_positions WHERE owner_id = ? AND name = ?", owner, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget a reader: %w", err)
	}
	return nil
}

// expireStep is how many rows Expire deletes in one transaction.
const expireStep = 5_000

// Expire forgets the readers that were not heard of for as long as their positions
// are kept.
func (b *Book) Expire(ctx context.Context) error {
	old := func(prefix string) error {
		before := b.oldest(prefix)
		for {
			var n int64
			err := b.store.Tx(ctx, func(ctx context.Context) (err error) {
				n, err = b.store.Exec(ctx, `DELETE FROM stream_positions WHERE id IN (
					SELECT id FROM stream_positions WHERE updated_at < ? AND name LIKE '`+prefix+`%' LIMIT ?)`, before, expireStep)
				return err
			})
			if err != nil || n < expireStep {
				return err
			}
		}
	}
	if err := errors.Join(old(keyPrefix), old(operationPrefix)); err != nil {
		return fmt.Errorf("forget old readers: %w", err)
	}
	return nil
}

// ofAccount is the condition for the readers of an account and of its keys, which
// takes the account twice.
const ofAccount = "(owner_id = ? OR owner_id IN (SELECT id FROM api_keys WHERE api_keys.owner_id = ?))"

// forgetSome makes at most expireStep readers of an account unknown and tells how
// many.
func (b *Book) forgetSome(ctx context.Context, account string) (n int64, err error) {
	err = b.store.Tx(ctx, func(ctx context.Context) (err error) {
		n, err = b.store.Exec(ctx, "DELETE FROM stream_positions WHERE id IN (SELECT id FROM stream_positions WHERE "+ofAccount+" LIMIT ?)",
			account, account, expireStep)
		if err != nil || n == 0 {
			return err
		}
		return b.store.Erased(ctx) // the names are people's words
	})
	if err != nil {
		return 0, fmt.Errorf("forget the readers of an account: %w", err)
	}
	return n, nil
}

// exportStep is how many positions an export reads at a time.
const exportStep = 500

// reading is a position as it is exported, with the id of its row.
type reading struct {
	exportedPosition
	id string
}

// readings gives positions of an account's readers, of those whose ids come after
// one the first.
func (b *Book) readings(ctx context.Context, account, after string, limit int) (list []reading, err error) {
	last, _ := strconv.ParseInt(after, 10, 64) // none at the beginning
	err = b.store.Query(ctx, func(rows *sql.Rows) error {
		var r reading
		var id int64
		var at event.Cursor
		err := rows.Scan(&id, &r.Name, &at.Epoch, &at.Position, &r.UpdatedAt)
		r.id, r.UpdatedAt = strconv.FormatInt(id, 10), r.UpdatedAt.UTC()
		if at.Epoch != "" {
			r.Cursor = at.String()
		}
		list = append(list, r)
		return err
	}, "SELECT id, name, epoch, position, updated_at FROM stream_positions WHERE id > ? AND "+ofAccount+" ORDER BY id LIMIT ?",
		last, account, account, limit)
	if err != nil {
		return nil, fmt.Errorf("read where the readers of an account stand: %w", err)
	}
	return list, nil
}
