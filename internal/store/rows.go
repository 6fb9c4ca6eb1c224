package store

import (
	"context"
	stdsql "database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// The words of a statement here are the same for any number of values, or for
// one of few numbers of rows, so that it stays prepared.

// Among gives the condition that a column holds one of values, and the one
// argument for it. No values match no row.
func Among[T int64 | string](s *Store, column string, values []T) (condition string, arg any) {
	if !s.Postgres() {
		return column + " IN (SELECT value FROM json_each(?))", List(values)
	}
	kind := "text"
	if _, ok := any(values).([]int64); ok {
		kind = "bigint"
	}
	// The sub-select hides the number of values from the planner, which would
	// otherwise make a new plan for each transaction of a few.
	return column + " = ANY(ARRAY(SELECT unnest(?::" + kind + "[])))", values
}

// List gives values as JSON, the argument of SQLite's json_each.
func List[T int64 | string](values []T) string {
	if values == nil {
		return "[]" // null would be a list of one
	}
	list, _ := json.Marshal(values) // of numbers and texts: never fails
	return string(list)
}

// blocks are the numbers of rows that statements come in, the largest first.
// More rows at a time gain nothing.
var blocks = [...]int{128, 16, 1}

// InsertRows writes n rows and gives the number of rows that changed. A
// statement is head, such as "INSERT INTO t (a, b) VALUES ", some times row,
// such as "(?, ?)", and end, such as " ON CONFLICT DO NOTHING". add appends the
// arguments of row i and is called for each once, in their order. Several
// statements may be needed: only in a transaction are they all or none.
func (s *Store) InsertRows(ctx context.Context, head, row, end string, n int, add func(i int, args []any) []any) (changed int64, err error) {
	err = inBlocks(head, row, end, n, add, func(query string, args []any) error {
		more, err := s.Exec(ctx, query, args...)
		changed += more
		return err
	})
	if err != nil {
		name, _, _ := strings.Cut(head, "(")
		return 0, fmt.Errorf("%s: %w", strings.TrimSpace(name), err)
	}
	return changed, nil
}

// QueryRows is InsertRows for a statement that returns rows: it calls scan for
// each of them. As Query it writes only in a transaction.
func (s *Store) QueryRows(ctx context.Context, scan func(rows *stdsql.Rows) error, head, row, end string, n int, add func(i int, args []any) []any) error {
	return inBlocks(head, row, end, n, add, func(query string, args []any) error {
		return s.Query(ctx, scan, query, args...)
	})
}

// inBlocks calls do for each statement. The arguments are do's until it returns.
func inBlocks(head, row, end string, n int, add func(i int, args []any) []any, do func(query string, args []any) error) error {
	args := make([]any, 0, min(n, blocks[0])*strings.Count(row, "?"))
	i := 0
	for _, size := range blocks {
		if n-i < size {
			continue
		}
		query := head + strings.Repeat(row+", ", size-1) + row + end
		for n-i >= size {
			args = args[:0]
			for range size {
				args = add(i, args)
				i++
			}
			if err := do(query, args); err != nil {
				return err
			}
		}
	}
	return nil
}
