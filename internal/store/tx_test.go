package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

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
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTxJoinsTheTransactionOfItsContext(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		err := s.Tx(system(t), func(ctx context.Context) error {
			if !store.InTx(ctx) {
				t.Error("InTx says no inside of Tx")
			}
			outer := s.Client(ctx)
			if err := addUser(ctx, s, "outer"); err != nil {
				return err
			}
			if err := s.Tx(ctx, func(ctx context.Context) error {
				if s.Client(ctx) != outer {
					t.Error("the inner Tx has a transaction of its own")
				}
				return addUser(ctx, s, "inner")
			}); err != nil {
				return err
			}
			if n := users(t, s); n != 0 {
				t.Errorf("%d users are visible before the commit", n)
			}
			return errOops
		})
		if !errors.Is(err, errOops) || users(t, s) != 0 {
			t.Fatalf("got %v and %d users; want oops and none", err, users(t, s))
		}
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
				if recover() == nil {
					t.Error("the panic did not come through")
				}
			}()
			_ = s.Tx(system(t), func(ctx context.Context) error {
				if err := addUser(ctx, s, "gone"); err != nil {
					t.Error(err)
				}
				panic("oops")
			})
		}()
		if n := users(t, s); n != 0 {
			t.Fatalf("%d users after a panic", n)
		}
		if err := s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "next") }); err != nil {
			t.Fatalf("the connection was not given back: %v", err)
		}
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
				if len(ran) > 0 {
					t.Error("it ran inside of the transaction")
				}
				return s.Tx(ctx, func(ctx context.Context) error {
					store.AfterCommit(ctx, func() { ran = append(ran, "inner") })
					return fail
				})
			})
			if !errors.Is(err, fail) {
				t.Fatal(err)
			}
		}
		store.AfterCommit(t.Context(), func() { ran = append(ran, "at once") })
		if got := fmt.Sprint(ran); got != "[1 users inner at once]" {
			t.Fatalf("ran %s", got)
		}
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
		if err := s.Client(ctx).User.Create().SetID(id).SetEmail(id).SetEmailKey(id).SetPasswordHash("").Exec(ctx); err != nil {
			t.Fatal(err)
		}
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
			if err != nil {
				t.Error(err)
			}
		}()
	}
	done.Wait()
	for _, id := range ids {
		if u := s.Client(ctx).User.GetX(ctx, id); u.PasswordHash != "xx" {
			t.Errorf("a row has %q, want what both transactions wrote", u.PasswordHash)
		}
	}
	if runs[0]+runs[1] < 3 || committed[0] != 1 || committed[1] != 1 {
		t.Errorf("ran %v times, committed %v; want a repetition and one commit each", runs, committed)
	}
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
		if err := add(); err != nil {
			t.Fatal(err)
		}
		if err := add(); !store.Duplicate(err) {
			t.Errorf("a second %v is no duplicate", err)
		}
		err := s.Tx(ctx, func(ctx context.Context) error {
			_, err := s.Exec(ctx, "INSERT INTO users (id) VALUES ('x')")
			return err
		})
		if err == nil || store.Duplicate(err) {
			t.Errorf("a missing value: %v", err)
		}
		orphan := s.Tx(ctx, func(ctx context.Context) error {
			return s.Client(ctx).Translation.Create().SetID(store.NewID("tr")).SetNoteID("note_none").SetOwnerID("u").
				SetLanguage("es").SetTextVersion(1).SetJobID("j").Exec(ctx)
		})
		if orphan == nil || store.Duplicate(orphan) {
			t.Errorf("a translation of no note: %v", orphan)
		}
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
				if err := s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, fmt.Sprint(i)) }); err != nil {
					t.Error(err)
				}
			}()
		}
		group.Wait()
		if n := users(t, s); n != 50 {
			t.Fatalf("%d of 50 users", n)
		}
	})
}

func TestCustomSQLSeesTheTransactionOfItsContext(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		count := func(ctx context.Context) (n int) {
			err := s.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM users WHERE email IN (?, ?)", "a", "b")
			if err != nil {
				t.Error(err)
			}
			return n
		}
		err := s.Tx(system(t), func(ctx context.Context) error {
			if err := addUser(ctx, s, "a"); err != nil {
				return err
			}
			if in, out := count(ctx), count(t.Context()); in != 1 || out != 0 {
				t.Errorf("%d inside and %d outside", in, out)
			}
			if n, err := s.Exec(ctx, "UPDATE users SET email = ? WHERE email = ?", "b", "a"); n != 1 || err != nil {
				t.Errorf("changed %d rows, %v", n, err)
			}
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
		if !gen.IsNotFound(err) {
			t.Fatal(err)
		}
		if got := store.Found(err, "note"); !apperr.Is(got, apperr.NotFound) {
			t.Errorf("got %v", got)
		}
		if store.Found(nil, "note") != nil || !errors.Is(store.Found(errOops, "note"), errOops) {
			t.Error("Found changes what is no missing row")
		}
	})
}
