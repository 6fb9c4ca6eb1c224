package dbtest

import (
	"testing"

	"parley/internal/store"
)

func TestStoresAreMigratedAndSeparate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Stores(t, func(t *testing.T, s *store.Store) {
				if err := s.CheckMigrated(t.Context()); err != nil {
					t.Fatal(err)
				}
				n, err := s.Exec(t.Context(), "INSERT INTO event_log (id, epoch) VALUES (1, 'mine')")
				if err != nil || n != 1 {
					t.Fatalf("insert into a database of the test's own: %d, %v", n, err)
				}
			})
		})
	}
}
