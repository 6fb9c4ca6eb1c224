package store_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestTheJanitorStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		for range 3 {
			_, stop := janitor(t, s)
			stop()
		}
	})
}

// janitor runs one and gives what its rounds came to, and what stops it.
func janitor(t *testing.T, s *store.Store) (rounds <-chan error, stop func()) {
	t.Helper()
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	j := &store.Janitor{Store: s, Done: func(err error) { done <- err }}
	go func() { ended <- j.Run(ctx) }()
	return done, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestTheJanitorWorksAfterErasures(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s := dbtest.Open(t, url)
	add := func(name string) {
		t.Helper()
		if err := s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, name) }); err != nil {
			t.Fatal(err)
		}
	}
	rounds, stop := janitor(t, s)
	for _, name := range []string{"first-secret", "second-secret"} {
		add(name)
		erase(t, s, name)
		if err := <-rounds; err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"", "-wal"} {
			data, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + file)
			if err != nil || strings.Contains(string(data), name) {
				t.Errorf("%q holds %s: %v", file, name, err)
			}
		}
	}
	stop()

	// The next process begins with what was erased since.
	add("third-secret")
	erase(t, s, "third-secret")
	again := dbtest.Open(t, url)
	rounds, stop = janitor(t, again)
	if err := <-rounds; err != nil {
		t.Fatal(err)
	}
	stop()
	if waits, err := again.Unscrubbed(t.Context()); err != nil || waits {
		t.Errorf("something is left: %v, %v", waits, err)
	}
}
