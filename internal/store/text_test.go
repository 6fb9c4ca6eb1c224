package store_test

import (
	"slices"
	"testing"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestStorableTextsComeBackAndPostgresRefusesTheOthers(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		insert := func(text string) error {
			_, err := s.Exec(system(t), "INSERT INTO dialog_tombstones (id, owner_id, erased_at) VALUES (1, ?, ?)", text, store.Now())
			return err
		}
		for _, text := range []string{"plain", "ü 👩 \uFFFD \U0010FFFF", "\x01\r\n\x7f"} {
			if err := insert(text); err != nil || !store.Storable(text) {
				t.Fatalf("%q: storable %v, %v", text, store.Storable(text), err)
			}
			if got := among(t, s, "id", []int64{1}); !slices.Equal(got, []string{text}) {
				t.Fatalf("%q comes back as %q", text, got)
			}
			if _, err := s.Exec(system(t), "DELETE FROM dialog_tombstones"); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{"\x00", "a\x00", "\xff", "a\xc3", "\xed\xa0\x80"} {
			if store.Storable(text) {
				t.Errorf("%q is called storable", text)
			}
			if s.Postgres() && insert(text) == nil {
				t.Errorf("Postgres takes %q", text)
			}
		}
	})
}
