package store_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		assert.NoError(t, <-ended)
	}
}

func TestTheJanitorWorksAfterErasures(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s := dbtest.Open(t, url)
	add := func(name string) {
		t.Helper()
		require.NoError(t, s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, name) }))
	}
	rounds, stop := janitor(t, s)
	for _, name := range []string{"first-secret", "second-secret"} {
		add(name)
		erase(t, s, name)
		require.NoError(t, <-rounds)
		for _, file := range []string{"", "-wal"} {
			data, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + file)
			assert.NoError(t, err, "%q", file)
			assert.NotContains(t, string(data), name, "%q", file)
		}
	}
	stop()

	// The next process begins with what was erased since.
	add("third-secret")
	erase(t, s, "third-secret")
	again := dbtest.Open(t, url)
	rounds, stop = janitor(t, again)
	require.NoError(t, <-rounds)
	stop()
	waits, err := again.Unscrubbed(t.Context())
	assert.NoError(t, err, "something is left")
	assert.False(t, waits, "something is left: %v", waits)
}
