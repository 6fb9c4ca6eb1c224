package store

import (
	"context"
	stdsql "database/sql"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// PlanAnew is given as the first argument to a statement that PostgreSQL is to plan at each
// call, for what is there now: the plan that is kept for others may be from when tables were
// empty. It costs some tenths of a millisecond.
const PlanAnew = pgx.QueryExecModeExec

// Exec runs custom SQL with ? for its arguments and gives the number of rows
// that it changed. Only this package and a domain's query.go write SQL.
func (s *Store) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	var res stdsql.Result
	var err error
	if tx, ok := ctx.Value(txKey{}).(*openTx); ok {
		res, err = tx.client.ExecContext(ctx, s.bind(query), args...)
	} else {
		res, err = s.writer.ExecContext(ctx, s.bind(query), args...)
	}
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}

// Query runs custom SQL with ? for its arguments and calls scan for each row.
func (s *Store) Query(ctx context.Context, scan func(rows *stdsql.Rows) error, query string, args ...any) error {
	var rows *stdsql.Rows
	var err error
	if tx, ok := ctx.Value(txKey{}).(*openTx); ok {
		rows, err = tx.client.QueryContext(ctx, s.bind(query), args...)
	} else {
		rows, err = s.reader.QueryContext(ctx, s.bind(query), args...)
	}
	if err != nil {
		return translate(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

// In gives "(?, ?, …)" and the arguments for it.
func In[T any](values []T) (string, []any) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return "(" + strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ") + ")", args
}

// bind numbers the placeholders where the dialect wants it. A question mark
// inside a quoted string is not one of ours to write.
func (s *Store) bind(query string) string {
	if !s.Postgres() {
		return query
	}
	var b strings.Builder
	n := 0
	for {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}
