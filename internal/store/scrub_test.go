package store_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestScrubLeavesNothingOfWhatWasDeleted(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s := dbtest.Open(t, url)
	ctx := system(t)
	if at, err := s.Scrubbed(ctx); err != nil || at.After(time.Unix(0, 0)) {
		t.Fatalf("scrubbed %v, %v", at, err)
	}
	for _, name := range []string{"stays", "secret"} {
		if err := s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, name) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Exec(ctx, "DELETE FROM users WHERE email = 'secret'"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
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
	if at, err := s.Scrubbed(ctx); err != nil || at.Before(begun.Add(-time.Minute)) || at.After(time.Now()) {
		t.Errorf("scrubbed %v, %v", at, err)
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
	if at, err := s.Scrubbed(t.Context()); err != nil || at.Before(store.Now().Add(-time.Minute)) {
		t.Fatalf("scrubbed %v, %v", at, err)
	}
}
