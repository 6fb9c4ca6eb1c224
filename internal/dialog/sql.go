package dialog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"parley/internal/store"
)

// among gives the condition that a column holds one of values, int64 or string,
// and its argument: the same words for any number of them, so that databases
// keep the statement prepared.
func among[T int64 | string](s *store.Store, column string, values []T) (condition string, arg any) {
	if s.Postgres() {
		return column + " = ANY(?)", values
	}
	list, _ := json.Marshal(values) // of numbers and texts: never fails
	return column + " IN (SELECT value FROM json_each(?))", string(list)
}

// blocks are the numbers of rows that statements of several rows come in, so
// that there are few enough for each to stay prepared.
var blocks = []int{64, 8, 1}

// insertBlocks writes rows in blocks: do runs the statement for so many rows.
func insertBlocks(rows [][]any, statement func(n int) string, do func(query string, args []any) error) error {
	for _, n := range blocks {
		for ; len(rows) >= n; rows = rows[n:] {
			if err := do(statement(n), slices.Concat(rows[:n]...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertRows inserts rows into the columns of a table.
func (s *Service) insertRows(ctx context.Context, table string, columns []string, rows [][]any) error {
	head := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	err := insertBlocks(rows,
		func(n int) string { return head + tuples(n, len(columns)) },
		func(query string, args []any) error {
			_, err := s.store.Exec(ctx, query, args...)
			return err
		})
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}

// tuples gives n times "(?, …)" of so many columns.
func tuples(n, columns int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + "), "
	return strings.TrimSuffix(strings.Repeat(one, n), ", ")
}

// forUpdate locks the rows that a query finds, where there is more than one
// writer.
func (s *Service) forUpdate() string {
	if s.store.Postgres() {
		return " FOR UPDATE"
	}
	return ""
}
