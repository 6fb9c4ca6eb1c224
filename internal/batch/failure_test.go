package batch_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/batch"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// together has calls of one row each share a transaction of commit, and gives
// the answers by id and what Observe was told of them.
func together(t *testing.T, s *store.Store, commit func(context.Context, []row) ([]batch.Result[int64], error), rows ...row) (map[string]answer, []batch.Flush) {
	t.Helper()
	g, told := newGate(t, s), &flushes{}
	w := batch.New(s, batch.Config[row, int64]{Name: "rows", Writers: 1, Commit: g.commit, Observe: told.observe})
	first := begin(t.Context(), w, row{id: "first"})
	g.next()
	later := make([]<-chan answer, len(rows))
	for i, r := range rows {
		later[i] = begin(t.Context(), w, r)
		until(t, w, i+1)
	}
	g.open()
	receive(t, first).ok(t)
	g.next()
	g.then = commit
	for range cap(g.passes) {
		g.open() // and whatever follows from it
	}
	answers := map[string]answer{}
	for i, r := range rows {
		answers[r.id] = receive(t, later[i])
		require.NoError(t, answers[r.id].err, "the call itself went well")
		require.Len(t, answers[r.id].results, 1)
	}
	return answers, told.list()[1:]
}

// numbered gives n rows, of which those at wrong have the size bad.
func numbered(n int, wrong ...int) (rows []row, good []string) {
	rows = make([]row, n)
	for i := range rows {
		rows[i] = row{id: fmt.Sprint(i), size: int64(i)}
	}
	for _, i := range wrong {
		rows[i].size = bad
	}
	for _, r := range rows {
		if r.size != bad {
			good = append(good, r.id)
		}
	}
	return rows, good
}

func TestBadItemFailsAlone(t *testing.T) {
	for name, wrong := range map[string][]int{"one": {13}, "first and last": {0, 39}, "neighbours": {20, 21, 22}} {
		t.Run(name, func(t *testing.T) {
			onRows(t, func(t *testing.T, s *store.Store) {
				rows, good := numbered(40, wrong...)
				answers, told := together(t, s, inserting(s), rows...)
				for _, r := range rows {
					got := answers[r.id].results[0]
					if r.size == bad {
						require.ErrorContains(t, got.Err, "constraint")
						require.Zero(t, got.Value)
						continue
					}
					require.Equal(t, batch.Result[int64]{Value: r.size}, got)
				}
				require.Equal(t, once(append(good, "first")...), stored(t, s), "the others are there once")
				items := 0
				for _, f := range told {
					require.Equal(t, f.Items, f.Calls)
					if f.Err == nil || f.Items == 1 {
						items += f.Items
					}
				}
				require.Equal(t, len(rows), items, "each item has one outcome")
			})
		})
	}
}

func TestEveryBadItemHasItsOwnError(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		rows, _ := numbered(8)
		answers, _ := together(t, s, func(_ context.Context, rows []row) ([]batch.Result[int64], error) {
			return nil, apperr.New(apperr.Conflict, "%s is taken.", rows[0].id)
		}, rows...)
		for id, a := range answers {
			var e *apperr.Error
			require.ErrorAs(t, a.results[0].Err, &e)
			require.Equal(t, id+" is taken.", e.Message)
		}
		require.Equal(t, once("first"), stored(t, s))
	})
}

func TestErrorOfAResultFailsItsItemOnly(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		rows, good := numbered(10, 3)
		taken := apperr.New(apperr.Conflict, "taken")
		answers, told := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			results, keep := sizes(rows), []row(nil)
			for i, r := range rows {
				if r.size == bad {
					results[i] = batch.Result[int64]{Err: taken}
					continue
				}
				keep = append(keep, r)
			}
			return results, insert(ctx, s, keep)
		}, rows...)
		require.Equal(t, taken, answers["3"].results[0].Err)
		require.Len(t, told, 1, "one transaction was enough")
		require.Equal(t, once(append(good, "first")...), stored(t, s))
	})
}

// A Commit that goes on after a statement failed has a spoilt transaction on
// Postgres, which COMMIT rolls back.
func TestErrorOfAResultHoldsThoughItsStatementFailed(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		rows, good := numbered(10, 9)
		answers, _ := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			results := sizes(rows)
			for i, r := range rows {
				if err := insert(ctx, s, []row{r}); err != nil {
					results[i] = batch.Result[int64]{Err: apperr.Wrap(err, apperr.BadInput, "too small")}
				}
			}
			return results, nil
		}, rows...)
		for _, id := range good {
			require.NoError(t, answers[id].results[0].Err)
		}
		require.Equal(t, apperr.BadInput, apperr.CodeOf(answers["9"].results[0].Err))
		require.Equal(t, once(append(good, "first")...), stored(t, s))
	})
}

func TestConstraintCheckedAtCommitFailsItsItemOnly(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		createRows(t, s)
		for _, statement := range []string{
			"CREATE TABLE sizes_of_a_test (size BIGINT PRIMARY KEY)",
			"INSERT INTO sizes_of_a_test (size) VALUES (0), (1), (2), (3), (4)",
			"CREATE TABLE late_of_a_test (size BIGINT REFERENCES sizes_of_a_test (size) DEFERRABLE INITIALLY DEFERRED)",
		} {
			_, err := s.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
		rows, _ := numbered(6)
		answers, _ := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			for _, r := range rows {
				if _, err := s.Exec(ctx, "INSERT INTO late_of_a_test (size) VALUES (?)", r.size); err != nil {
					return nil, err
				}
			}
			return sizes(rows), insert(ctx, s, rows)
		}, rows...)
		require.Error(t, answers["5"].results[0].Err)
		require.Zero(t, answers["5"].results[0].Value, "what was not committed is not told")
		require.Equal(t, once("first", "0", "1", "2", "3", "4"), stored(t, s))
	})
}

func TestUnavailableDatabaseFailsAllItemsWithoutASecondTry(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		for _, code := range []apperr.Code{apperr.Unavailable, apperr.Timeout} {
			rows, _ := numbered(10)
			answers, told := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
				if err := insert(ctx, s, rows); err != nil {
					return nil, err
				}
				return nil, fmt.Errorf("write: %w", apperr.New(code, "away"))
			}, rows...)
			for _, a := range answers {
				require.Equal(t, code, apperr.CodeOf(a.results[0].Err))
			}
			require.Len(t, told, 1)
			require.Equal(t, code, apperr.CodeOf(told[0].Err))
		}
		require.Equal(t, map[string]int{"first": 2}, stored(t, s))
	})
}

func TestTransactionThatTakesTooLongSavesNothing(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		w := batch.New(s, batch.Config[row, int64]{Timeout: 1, Commit: inserting(s)})
		slow := receive(t, begin(t.Context(), w, rowsOf("a", "b")...))
		require.NoError(t, slow.err)
		w = batch.New(s, batch.Config[row, int64]{Timeout: patience / 300, Commit: func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			if err := insert(ctx, s, rows); err != nil {
				return nil, err
			}
			<-ctx.Done()
			return sizes(rows), insert(ctx, s, rows)
		}})
		slower := receive(t, begin(t.Context(), w, rowsOf("c", "d")...))
		require.NoError(t, slower.err)
		for _, r := range append(slow.results, slower.results...) {
			var e *apperr.Error
			require.ErrorAs(t, r.Err, &e)
			require.Equal(t, apperr.Timeout, e.Code)
			require.Contains(t, e.Message, "Nothing was saved")
		}
		require.Empty(t, stored(t, s))
	})
}

func TestPanicFailsItsItemOnly(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		rows, good := numbered(20, 7)
		answers, _ := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			for _, r := range rows {
				if r.size == bad {
					panic("a bug")
				}
			}
			return sizes(rows), insert(ctx, s, rows)
		}, rows...)
		for _, id := range good {
			require.NoError(t, answers[id].results[0].Err)
		}
		require.ErrorContains(t, answers["7"].results[0].Err, "rows panicked: a bug")
		require.Equal(t, apperr.Internal, apperr.CodeOf(answers["7"].results[0].Err))
		require.Equal(t, once(append(good, "first")...), stored(t, s))
	})
}

func TestPanicAfterTheCommitTakesNothingBack(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		rows, good := numbered(5)
		answers, told := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			store.AfterCommit(ctx, func() { panic("a bug") })
			return sizes(rows), insert(ctx, s, rows)
		}, rows...)
		for _, id := range good {
			answers[id].ok(t)
		}
		require.Len(t, told, 1)
		require.NoError(t, told[0].Err)
		require.Equal(t, once(append(good, "first")...), stored(t, s))
	})
}

func TestWrongNumberOfResultsSavesNothing(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		rows, good := numbered(5)
		answers, told := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
			return sizes(rows[1:]), insert(ctx, s, rows)
		}, rows...)
		for _, id := range good {
			require.ErrorContains(t, answers[id].results[0].Err, "rows: the number of results is wrong: 4 for 5 items")
		}
		require.Len(t, told, 1)
		require.Equal(t, once("first"), stored(t, s))
	})
}

func TestRepeatedTransactionTellsTheLastResults(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	createRows(t, s)
	rows, good := numbered(5)
	var tries atomic.Int64
	answers, told := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
		try := tries.Add(1)
		results := sizes(rows)
		for i := range results {
			results[i].Value = try
		}
		if err := insert(ctx, s, rows); err != nil || try == 3 {
			return results, err
		}
		_, err := s.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
		return results, err
	}, rows...)
	for _, id := range good {
		require.Equal(t, batch.Result[int64]{Value: 3}, answers[id].results[0])
	}
	require.Len(t, told, 1, "the store repeated it")
	require.Equal(t, once(append(good, "first")...), stored(t, s))
}

// The rows may be there or not: trying them again could write them twice.
func TestUnansweredCommitReachesAllItemsAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	createRows(t, s)
	rows, good := numbered(10)
	var ran atomic.Int64
	answers, told := together(t, s, func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
		ran.Add(1)
		return sizes(rows), errors.Join(insert(ctx, s, rows), server.Kill())
	}, rows...)
	for _, id := range good {
		var e *apperr.Error
		require.ErrorAs(t, answers[id].results[0].Err, &e)
		require.Equal(t, apperr.Unavailable, e.Code)
		require.Contains(t, e.Message, "look whether it was")
		require.Zero(t, answers[id].results[0].Value)
	}
	require.Len(t, told, 1)
	require.Equal(t, int64(1), ran.Load())
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, once("first"), stored(t, s))
}

// The time is up while COMMIT is under way: the database may go on with it, or
// hear in time that nobody waits any more.
func TestCommitThatTakesTooLongIsNotCalledUnsaved(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	createRows(t, s)
	for _, statement := range []string{
		"CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON rows_of_a_test DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang()",
	} {
		_, err := s.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	held, release := make(chan struct{}), make(chan struct{})
	holder := make(chan error, 1)
	go func() {
		holder <- s.Tx(t.Context(), func(ctx context.Context) error {
			_, err := s.Exec(ctx, "SELECT pg_advisory_xact_lock(1)")
			close(held)
			<-release
			return err
		})
	}()
	<-held
	told := &flushes{}
	w := batch.New(s, batch.Config[row, int64]{Timeout: patience / 10, Commit: inserting(s), Observe: told.observe})
	a := receive(t, begin(t.Context(), w, rowsOf("a", "b")...))
	require.NoError(t, a.err)
	for _, r := range a.results {
		var e *apperr.Error
		require.ErrorAs(t, r.Err, &e)
		require.Equal(t, apperr.Timeout, e.Code)
		require.Contains(t, e.Message, "look whether it was")
	}
	require.Len(t, told.list(), 1)
	close(release)
	require.NoError(t, <-holder)
	// Postgres tells nobody when it has given a statement up.
	require.Eventually(t, func() bool {
		busy := 1
		err := s.Query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&busy) },
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'")
		return err == nil && busy == 0
	}, patience, 10*time.Millisecond)
	if rows := stored(t, s); len(rows) > 0 {
		require.Equal(t, once("a", "b"), rows)
	}
}

// No item is to blame when the transaction could not begin.
func TestClosedDatabaseIsTriedOnce(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		require.NoError(t, err)
		tries := 0
		w := batch.New(s, batch.Config[row, int64]{Commit: inserting(s), Observe: func(batch.Flush) { tries++ }})
		require.NoError(t, s.Close())
		rows, _ := numbered(50)
		results, err := w.Do(t.Context(), rows...)
		require.NoError(t, err)
		for _, r := range results {
			require.Error(t, r.Err)
		}
		require.Equal(t, 1, tries)
	})
}
