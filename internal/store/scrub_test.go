package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestScrubLeavesNothingOfWhatWasDeleted(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s := dbtest.Open(t, url)
	ctx := system(t)
	if waits, err := s.Unscrubbed(ctx); err != nil || waits {
		t.Fatalf("a new database is to be scrubbed: %v, %v", waits, err)
	}
	for _, name := range []string{"stays", "secret"} {
		if err := s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, name) }); err != nil {
			t.Fatal(err)
		}
	}
	erase(t, s, "secret")
	if waits, err := s.Unscrubbed(ctx); err != nil || !waits {
		t.Fatalf("nothing is to be scrubbed: %v, %v", waits, err)
	}
	if err := s.Scrub(ctx); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(url, "sqlite:")
	file, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(file), "secret") || !strings.Contains(string(file), "stays") {
		t.Errorf("the file holds what it should not, or lacks what it should: %v", err)
	}
	if log, err := os.ReadFile(path + "-wal"); err != nil || len(log) > 0 {
		t.Errorf("%d bytes are in the write-ahead log: %v", len(log), err)
	}
	if waits, err := s.Unscrubbed(ctx); err != nil || waits {
		t.Errorf("it is to be scrubbed again: %v, %v", waits, err)
	}
}

// erase deletes users of a name as a domain erases what no file may keep.
func erase(t *testing.T, s *store.Store, name string) {
	t.Helper()
	err := s.Tx(system(t), func(ctx context.Context) error {
		if _, err := s.Exec(ctx, "DELETE FROM users WHERE email = ?", name); err != nil {
			return err
		}
		return s.Erased(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnErasureCountsWithItsTransaction(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.SQLite(t))
	err := s.Tx(system(t), func(ctx context.Context) error {
		if err := s.Erased(ctx); err != nil {
			return err
		}
		return errOops
	})
	if waits, uerr := s.Unscrubbed(t.Context()); !errors.Is(err, errOops) || uerr != nil || waits {
		t.Errorf("it waits to be scrubbed: %v, %v, %v", waits, uerr, err)
	}
	if err := s.Erased(t.Context()); err == nil {
		t.Error("it can be noted outside of a transaction, where a crash could lose it")
	}
}

// A reader keeps the log from being emptied until it is through.
func TestScrubWaitsForReadersAndStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s, other := dbtest.Open(t, url), dbtest.Open(t, url)
	if err := s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "a") }); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	err := other.Query(system(t), func(*sql.Rows) error {
		go func() { ended <- s.Scrub(system(t)) }()
		return s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "b") }) // writers go on
	}, "SELECT id FROM users")
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + "-wal"); err != nil || len(log) > 0 {
		t.Errorf("%d bytes are in the write-ahead log: %v", len(log), err)
	}
	ctx, stop := context.WithCancel(system(t))
	stop()
	if err := s.Scrub(ctx); err == nil {
		t.Error("it went on")
	}
}

func TestScrubDoesNothingOnPostgres(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	erase(t, s, "nobody")
	if waits, err := s.Unscrubbed(t.Context()); err != nil || waits {
		t.Fatalf("it is to be scrubbed: %v, %v", waits, err)
	}
}
