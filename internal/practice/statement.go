package practice

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// The words of a statement are the same for any number of values, so that each
// is prepared once: Postgres gets arrays, SQLite JSON or a fixed number of rows.

// among gives a condition that a column is one of the values, and its argument.
// The sub-select hides the number of values from Postgres' planner, which would
// otherwise make a new plan for each transaction of a few.
func (s *Service) among(column string, values []string) (condition string, argument any) {
	if s.store.Postgres() {
		return column + " = ANY(ARRAY(SELECT unnest(?::text[])))", values
	}
	return column + " IN (SELECT value FROM json_each(?))", list(values)
}

// list is the JSON of values, as SQLite's json_each reads it.
func list(values any) string {
	data, err := json.Marshal(values)
	if err != nil { // not of strings and numbers
		return "[]"
	}
	return string(data)
}

// join gives a join with the one row of a table that meets the condition. To
// Postgres it says that this row must be looked for once for each row of the
// left: a plan made while the tables were small, and kept, reads the whole table
// instead.
func (s *Service) join(table, on string) string {
	if s.store.Postgres() {
		return "CROSS JOIN LATERAL " + one(table, on)
	}
	return "JOIN " + table + " ON " + on
}

// leftJoin is join that keeps the rows of the left that find none.
func (s *Service) leftJoin(table, on string) string {
	if s.store.Postgres() {
		return "LEFT JOIN LATERAL " + one(table, on) + " ON true"
	}
	return "LEFT JOIN " + table + " ON " + on
}

func one(table, on string) string {
	_, alias, _ := strings.Cut(table, " ")
	return "(SELECT * FROM " + table + " WHERE " + on + " LIMIT 1) " + alias
}

// insert writes n rows of SQLite with as few statements as it has kinds of: a
// statement has a fixed number of rows, so that each is prepared once. add
// appends the values of a row.
func (s *Service) insert(ctx context.Context, into, end string, columns, n int, add func(i int, args []any) []any) (written int64, err error) {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	sizes := [...]int{chunk, 16, 1}
	args := make([]any, 0, chunk*columns)
	for i := 0; i < n; {
		size := 1
		for _, size = range sizes {
			if size <= n-i {
				break
			}
		}
		args = args[:0]
		for range size {
			args = add(i, args)
			i++
		}
		changed, err := s.store.Exec(ctx, into+" VALUES "+strings.TrimSuffix(strings.Repeat(row+", ", size), ", ")+end, args...)
		if err != nil {
			return 0, fmt.Errorf("insert %d rows: %w", size, err)
		}
		written += changed
	}
	return written, nil
}

// chunk is the most rows of one statement: more gain nothing.
const chunk = 128
