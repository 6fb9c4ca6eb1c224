package idempotency_test

import (
	"context"
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m,
		// The servers that the tests share end with this process.
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.startGuard.func1"),
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.startGuard.func2"))
}

// room is the keys of a database of the test's own, whose tombstones of dialogs
// stand for work: they need nothing but a number.
type room struct {
	*idempotency.Keys
	t     *testing.T
	store *store.Store
	log   *event.Log
}

func onBoth(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		log, err := event.Open(t.Context(), s)
		require.NoError(t, err)
		test(t, &room{idempotency.New(s, log), t, s, log})
	})
}

// work writes a row and an event.
func (r *room) work(ctx context.Context, number int) error {
	_, err := r.store.Exec(ctx, "INSERT INTO dialog_tombstones (id, owner_id, erased_at) VALUES (?, ?, ?)", number, "user_a", store.Now())
	if err != nil {
		return err
	}
	return r.log.Append(ctx, event.Change{Audience: event.User("user_a"), Topic: "NOTES", Type: "NoteChanged", Object: "note_1", Version: int64(number)})
}

// position does the relay's work.
func (r *room) position() {
	r.t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = r.log.Position(r.t.Context(), 1000)
		require.NoError(r.t, err)
	}
}

// count runs SELECT COUNT(*) FROM table.
func (r *room) count(table string) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM "+table))
	return n
}

// age makes all keys look as old.
func (r *room) age(by time.Duration) {
	r.t.Helper()
	_, err := r.store.Exec(r.t.Context(), "UPDATE idempotency_keys SET created_at = ?", store.Now().Add(-by))
	require.NoError(r.t, err)
}

func ptr[T any](v T) *T { return &v }
