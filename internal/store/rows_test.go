package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const (
	numbersHead = "INSERT INTO dialog_tombstones (id, owner_id, erased_at) VALUES "
	numbersRow  = "(?, NULLIF(?, ''), ?)"
)

// numbers adds the arguments of row i, owned by "owner i".
func numbers(i int, args []any) []any {
	return append(args, int64(i), fmt.Sprint("owner ", i), store.Now())
}

func TestInsertRowsWritesEachRowOnce(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		for _, n := range []int{0, 1, 15, 16, 17, 128, 300} {
			changed, err := s.InsertRows(system(t), numbersHead, numbersRow, "", n, numbers)
			require.NoError(t, err, "%d rows change %d", n, changed)
			require.Equal(t, changed, int64(n), "%d rows change %d", n, changed)
			again, err := s.InsertRows(system(t), numbersHead, numbersRow, " ON CONFLICT DO NOTHING", n+1, numbers)
			require.NoError(t, err, "%d old rows and a new one change %d", n, again)
			require.Equal(t, int64(1), again, "%d old rows and a new one change %d", n, again)
			var wrong, all int
			require.NoError(t, s.Query(system(t), func(rows *sql.Rows) error { return rows.Scan(&all, &wrong) },
				"SELECT COUNT(*), COUNT(CASE WHEN owner_id <> 'owner ' || id THEN 1 END) FROM dialog_tombstones"))
			require.Equal(t, n+1, all, "%d rows, %d of them with another's values; want %d", all, wrong, n+1)
			require.Zero(t, wrong, "%d rows, %d of them with another's values; want %d", all, wrong, n+1)
			_, err = s.Exec(system(t), "DELETE FROM dialog_tombstones")
			require.NoError(t, err)
		}
	})
}

func TestQueryRowsScansWhatEachStatementReturns(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		const n = 150
		var got, want []int64
		err := s.Tx(system(t), func(ctx context.Context) error {
			return s.QueryRows(ctx, func(rows *sql.Rows) error {
				got = append(got, 0)
				return rows.Scan(&got[len(got)-1])
			}, numbersHead, numbersRow, " RETURNING id", n, numbers)
		})
		for i := range n {
			want = append(want, int64(i))
		}
		slices.Sort(got)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestInsertRowsThatFailsSaysIntoWhatAndWritesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		err := s.Tx(system(t), func(ctx context.Context) error {
			_, err := s.InsertRows(ctx, numbersHead, numbersRow, "", 130, func(i int, args []any) []any {
				return numbers(i%129, args) // the last is the first again
			})
			return err
		})
		require.True(t, store.Duplicate(err), "got %v", err)
		assert.True(t, strings.HasPrefix(err.Error(), "INSERT INTO dialog_tombstones: "), "got %v", err)
		assert.Empty(t, among(t, s, "id", []int64{0, 1}))
	})
}

func TestAmongMatchesTheValuesAndNoOthers(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		const largest = 1<<63 - 1
		names := []string{`plain`, `a "quoted", {thing}`, `<é&\>`, `NULL`}
		_, err := s.InsertRows(system(t), numbersHead, numbersRow, "", len(names), func(i int, args []any) []any {
			return append(args, int64(largest-i), names[i], store.Now())
		})
		require.NoError(t, err)
		assert.Equal(t, []string{names[2], names[0]}, among(t, s, "id", []int64{largest, largest - 2, 5, largest}), "by number")
		assert.Equal(t, []string{names[3], names[2], names[1]}, among(t, s, "owner_id", []string{names[3], names[1], "plai", names[2]}), "by text")
		got := slices.Concat(among[int64](t, s, "id", nil), among(t, s, "owner_id", []string{}), among[string](t, s, "owner_id", nil))
		assert.Empty(t, got, "no values match %q", got)
		few, _ := store.Among(s, "id", []int64{1})
		many, _ := store.Among(s, "id", make([]int64, 1000))
		assert.Equal(t, many, few, "%s differs from %s", few, many)
	})
}

// among gives the owners of the rows whose column is one of values, by number.
func among[T int64 | string](t *testing.T, s *store.Store, column string, values []T) (owners []string) {
	t.Helper()
	condition, arg := store.Among(s, column, values)
	err := s.Query(system(t), func(rows *sql.Rows) error {
		owners = append(owners, "")
		return rows.Scan(&owners[len(owners)-1])
	}, "SELECT owner_id FROM dialog_tombstones WHERE "+condition+" ORDER BY id", arg)
	require.NoError(t, err)
	return owners
}
