package store_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
			require.NoError(t, insert(text), "%q: storable %v", text, store.Storable(text))
			require.True(t, store.Storable(text), "%q: storable %v", text, store.Storable(text))
			require.Equal(t, []string{text}, among(t, s, "id", []int64{1}), "%q", text)
			_, err := s.Exec(system(t), "DELETE FROM dialog_tombstones")
			require.NoError(t, err)
		}
		for _, text := range []string{"\x00", "a\x00", "\xff", "a\xc3", "\xed\xa0\x80"} {
			assert.False(t, store.Storable(text), "%q is called storable", text)
			assert.False(t, s.Postgres() && insert(text) == nil, "Postgres takes %q", text)
		}
	})
}
