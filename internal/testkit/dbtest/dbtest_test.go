package dbtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/store"
)

func TestStoresAreMigratedAndSeparate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Stores(t, func(t *testing.T, s *store.Store) {
				require.NoError(t, s.CheckMigrated(t.Context()))
				n, err := s.Exec(t.Context(), "INSERT INTO event_log (id, epoch) VALUES (1, 'mine')")
				require.NoError(t, err, "insert into a database of the test's own")
				require.Equal(t, int64(1), n, "insert into a database of the test's own")
			})
		})
	}
}
