package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

var errOops = errors.New("oops")

func system(t testing.TB) context.Context { return auth.System(t.Context(), "test") }

func addUser(ctx context.Context, s *store.Store, name string) error {
	return s.Client(ctx).User.Create().SetID(store.NewID("user")).SetEmail(name).SetEmailKey(name).SetPasswordHash("x").Exec(ctx)
}

func users(t testing.TB, s *store.Store) int {
	t.Helper()
	n, err := s.Client(t.Context()).User.Query().Count(system(t))
	require.NoError(t, err)
	return n
}

func TestTxJoinsTheTransactionOfItsContext(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		err := s.Tx(system(t), func(ctx context.Context) error {
			assert.True(t, store.InTx(ctx), "InTx says no inside of Tx")
			outer := s.Client(ctx)
			if err := addUser(ctx, s, "outer"); err != nil {
				return err
			}
			if err := s.Tx(ctx, func(ctx context.Context) error {
				assert.Same(t, outer, s.Client(ctx), "the inner Tx has a transaction of its own")
				return addUser(ctx, s, "inner")
			}); err != nil {
				return err
			}
			n := users(t, s)
			assert.Zero(t, n, "%d users are visible before the commit", n)
			return errOops
		})
		require.ErrorIs(t, err, errOops, "and %d users; want oops and none", users(t, s))
		require.Zero(t, users(t, s), "got %v and %d users; want oops and none", err, users(t, s))
		if store.InTx(t.Context()) {
			t.Error("InTx says yes outside of Tx")
		}
	})
}

func TestTxRollsBackWhenItsFunctionPanics(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		func() {
			defer func() {
				assert.NotNil(t, recover(), "the panic did not come through")
			}()
			_ = s.Tx(system(t), func(ctx context.Context) error {
				assert.NoError(t, addUser(ctx, s, "gone"))
				panic("oops")
			})
		}()
		n := users(t, s)
		require.Zero(t, n, "%d users after a panic", n)
		require.NoError(t, s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "next") }), "the connection was not given back")
	})
}

func TestAfterCommitRunsOnlyAfterACommit(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		var ran []string
		for _, fail := range []error{errOops, nil} {
			err := s.Tx(system(t), func(ctx context.Context) error {
				store.AfterCommit(ctx, func() {
					ran = append(ran, fmt.Sprintf("%d users", users(t, s)))
				})
				if err := addUser(ctx, s, "a"); err != nil {
					return err
				}
				assert.Empty(t, ran, "it ran inside of the transaction")
				return s.Tx(ctx, func(ctx context.Context) error {
					store.AfterCommit(ctx, func() { ran = append(ran, "inner") })
					return fail
				})
			})
			require.ErrorIs(t, err, fail)
		}
		store.AfterCommit(t.Context(), func() { ran = append(ran, "at once") })
		require.Equal(t, "[1 users inner at once]", fmt.Sprint(ran), "ran")
	})
}

// Two transactions each lock a row and then want the other's: Postgres rolls
// one of them back, which then runs again.
func TestTxRepeatsWhatADeadlockRolledBack(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	ctx := system(t)
	ids := []string{store.NewID("user"), store.NewID("user")}
	for _, id := range ids {
		require.NoError(t, s.Client(ctx).User.Create().SetID(id).SetEmail(id).SetEmailKey(id).SetPasswordHash("").Exec(ctx))
	}
	var both, done sync.WaitGroup
	both.Add(2)
	runs := make([]int, 2)
	committed := make([]int, 2)
	for i := range 2 {
		done.Add(1)
		go func() {
			defer done.Done()
			err := s.Tx(ctx, func(ctx context.Context) error {
				runs[i]++
				store.AfterCommit(ctx, func() { committed[i]++ })
				if err := appendX(ctx, s, ids[i]); err != nil {
					return err
				}
				if runs[i] == 1 {
					both.Done()
					both.Wait()
				}
				return appendX(ctx, s, ids[1-i])
			})
			assert.NoError(t, err)
		}()
	}
	done.Wait()
	for _, id := range ids {
		assert.Equal(t, "xx", s.Client(ctx).User.GetX(ctx, id).PasswordHash, "a row, want what both transactions wrote")
	}
	assert.True(t, runs[0]+runs[1] >= 3 && committed[0] == 1 && committed[1] == 1,
		"ran %v times, committed %v; want a repetition and one commit each", runs, committed)
}

func appendX(ctx context.Context, s *store.Store, id string) error {
	_, err := s.Exec(ctx, "UPDATE users SET password_hash = password_hash || 'x' WHERE id = ?", id)
	return err
}

func TestDuplicateIsTakenUniqueValuesOnly(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		ctx := system(t)
		add := func() error { return s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "same") }) }
		require.NoError(t, add())
		err := add()
		assert.True(t, store.Duplicate(err), "a second %v is no duplicate", err)
		err = s.Tx(ctx, func(ctx context.Context) error {
			_, err := s.Exec(ctx, "INSERT INTO users (id) VALUES ('x')")
			return err
		})
		assert.Error(t, err, "a missing value")
		assert.False(t, store.Duplicate(err), "a missing value: %v", err)
		orphan := s.Tx(ctx, func(ctx context.Context) error {
			return s.Client(ctx).Translation.Create().SetID(store.NewID("tr")).SetNoteID("note_none").SetOwnerID("u").
				SetLanguage("es").SetTextVersion(1).SetJobID("j").Exec(ctx)
		})
		assert.Error(t, orphan, "a translation of no note")
		assert.False(t, store.Duplicate(orphan), "a translation of no note: %v", orphan)
	})
}

func TestManyWritersAtOnceAllCommit(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		var group sync.WaitGroup
		for i := range 50 {
			group.Add(1)
			go func() {
				defer group.Done()
				assert.NoError(t, s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, fmt.Sprint(i)) }))
			}()
		}
		group.Wait()
		n := users(t, s)
		require.Equal(t, 50, n, "%d of 50 users", n)
	})
}

func TestCustomSQLSeesTheTransactionOfItsContext(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		count := func(ctx context.Context) (n int) {
			err := s.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM users WHERE email IN (?, ?)", "a", "b")
			assert.NoError(t, err)
			return n
		}
		err := s.Tx(system(t), func(ctx context.Context) error {
			if err := addUser(ctx, s, "a"); err != nil {
				return err
			}
			in, out := count(ctx), count(t.Context())
			assert.Equal(t, 1, in, "%d inside and %d outside", in, out)
			assert.Zero(t, out, "%d inside and %d outside", in, out)
			n, err := s.Exec(ctx, "UPDATE users SET email = ? WHERE email = ?", "b", "a")
			assert.NoError(t, err, "changed %d rows", n)
			assert.Equal(t, int64(1), n, "changed %d rows", n)
			return nil
		})
		if err != nil || count(t.Context()) != 1 {
			t.Fatalf("%v, %d rows", err, count(t.Context()))
		}
	})
}

func TestFoundHidesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		_, err := s.Client(t.Context()).Note.Get(system(t), "note_none")
		require.True(t, gen.IsNotFound(err), "%v", err)
		got := store.Found(err, "note")
		assert.True(t, apperr.Is(got, apperr.NotFound), "got %v", got)
		assert.NoError(t, store.Found(nil, "note"), "Found changes what is no missing row")
		assert.ErrorIs(t, store.Found(errOops, "note"), errOops, "Found changes what is no missing row")
	})
}
