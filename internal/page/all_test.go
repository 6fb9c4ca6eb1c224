package page_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/page"
)

func TestAllRowsAreReadInParts(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	for rows, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 2, 4: 3} {
		reads := 0
		read := func(after string, limit int) (part []string, _ error) {
			reads++
			from, _ := strconv.Atoi(after)
			for i := from; i < rows && len(part) < limit; i++ {
				part = append(part, strconv.Itoa(i+1))
			}
			return part, nil
		}
		id := func(row string) string { return row }
		var got []string
		require.NoError(t, page.All(2, read, id, func(row string) error { got = append(got, row); return nil }))
		require.Len(t, got, rows)
		require.Equal(t, want, reads)
		if rows > 0 {
			require.ErrorIs(t, page.All(2, read, id, func(string) error { return full }), full)
		}
	}
	err := page.All(2, func(string, int) ([]string, error) { return nil, full }, func(string) string { return "" }, func(string) error { return nil })
	require.ErrorIs(t, err, full)
}
