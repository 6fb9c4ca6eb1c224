package audit

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"parley/ent/gen/auditentry"
	"parley/ent/gen/predicate"
	"parley/internal/batch"
	"parley/internal/store"
)

const (
	insertInto = "INSERT INTO audit_entries (id, created_at, reader_id, key_id, action, dialogs) "
	// values writes one row; NULLIF because people have no key.
	values = "(?, ?, ?, NULLIF(?, ''), ?, ?)"
	// insertArrays has the same words for any number of rows, so that Postgres
	// plans it once.
	insertArrays = insertInto + `SELECT id, created_at, reader_id, NULLIF(key_id, ''), action, dialogs
		FROM unnest(?::text[], ?::timestamptz[], ?::text[], ?::text[], ?::text[], ?::bytea[])
			AS new (id, created_at, reader_id, key_id, action, dialogs)`
)

// insert writes rows in the transaction of ctx.
func (l *Log) insert(ctx context.Context, rows []row) ([]batch.Result[struct{}], error) {
	write := l.insertSQLite
	if l.store.Postgres() {
		write = l.insertPostgres
	}
	return make([]batch.Result[struct{}], len(rows)), write(ctx, rows)
}

func (l *Log) insertPostgres(ctx context.Context, rows []row) error {
	n := len(rows)
	ids, times, packed := make([]string, n), make([]time.Time, n), make([][]byte, n)
	readers, keys, actions := make([]string, n), make([]string, n), make([]string, n)
	for i, r := range rows {
		ids[i], times[i], packed[i] = r.id, r.at, r.packed
		readers[i], keys[i], actions[i] = r.reader, r.key, string(r.action)
	}
	_, err := l.store.Exec(ctx, insertArrays, ids, times, readers, keys, actions, packed)
	return err
}

func (l *Log) insertSQLite(ctx context.Context, rows []row) error {
	_, err := l.store.InsertRows(ctx, insertInto+"VALUES ", values, "", len(rows), func(i int, args []any) []any {
		r := &rows[i]
		return append(args, r.id, r.at, r.reader, r.key, string(r.action), r.packed)
	})
	return err
}

// holds matches the entries with a number that is packed into 8 bytes. A search
// for the bytes also finds them across two numbers, as those of 256 in 1 and 2;
// only what it finds is looked at number by number.
func holds(number []byte) predicate.AuditEntry {
	return func(s *entsql.Selector) {
		dialogs := s.C(auditentry.FieldDialogs)
		s.Where(entsql.P(func(b *entsql.Builder) {
			if b.Dialect() == dialect.Postgres {
				b.WriteString("position(").Arg(number).WriteString("::bytea IN " + dialogs + ") > 0 AND EXISTS (" +
					"SELECT FROM generate_series(1, length(" + dialogs + "), 8) AS at WHERE substring(" + dialogs + " FROM at FOR 8) = ").
					Arg(number).WriteString("::bytea)")
				return
			}
			b.WriteString("instr(" + dialogs + ", ").Arg(number).WriteString(") > 0 AND EXISTS (" +
				"WITH RECURSIVE places(at) AS (VALUES (1) UNION ALL SELECT at + 8 FROM places WHERE at + 8 < length(" + dialogs + ")) " +
				"SELECT 1 FROM places WHERE substr(" + dialogs + ", at, 8) = ").Arg(number).WriteString(")")
		}))
	}
}

// forgetStep is how many entries Forget deletes in one transaction, at most
// 8 MB, so that nobody waits long for it.
const forgetStep = 1000

// Forget deletes the entries that are older than the log keeps them, and tells
// how many.
func (l *Log) Forget(ctx context.Context) (int64, error) {
	if l.keep <= 0 {
		return 0, nil
	}
	before := store.Now().Add(-l.keep)
	for deleted := int64(0); ; {
		n, err := l.store.Exec(ctx, `DELETE FROM audit_entries WHERE id IN (
			SELECT id FROM audit_entries WHERE created_at < ? ORDER BY created_at, id LIMIT ?)`, before, forgetStep)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("forget old entries of the audit log: %w", err)
		}
		if n < forgetStep {
			return deleted, nil
		}
	}
}
