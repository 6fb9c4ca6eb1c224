package store_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestScrubLeavesNothingOfWhatWasDeleted(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s := dbtest.Open(t, url)
	ctx := system(t)
	waits, err := s.Unscrubbed(ctx)
	require.NoError(t, err, "a new database is to be scrubbed")
	require.False(t, waits, "a new database is to be scrubbed: %v", waits)
	for _, name := range []string{"stays", "secret"} {
		require.NoError(t, s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, name) }))
	}
	erase(t, s, "secret")
	waits, err = s.Unscrubbed(ctx)
	require.NoError(t, err, "nothing is to be scrubbed")
	require.True(t, waits, "nothing is to be scrubbed: %v", waits)
	require.NoError(t, s.Scrub(ctx))
	path := strings.TrimPrefix(url, "sqlite:")
	file, err := os.ReadFile(path)
	assert.NoError(t, err, "the file holds what it should not, or lacks what it should")
	assert.True(t, !strings.Contains(string(file), "secret") && strings.Contains(string(file), "stays"),
		"the file holds what it should not, or lacks what it should")
	log, err := os.ReadFile(path + "-wal")
	assert.NoError(t, err, "%d bytes are in the write-ahead log", len(log))
	assert.Empty(t, log, "%d bytes are in the write-ahead log", len(log))
	waits, err = s.Unscrubbed(ctx)
	assert.NoError(t, err, "it is to be scrubbed again")
	assert.False(t, waits, "it is to be scrubbed again: %v", waits)
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
	require.NoError(t, err)
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
	waits, uerr := s.Unscrubbed(t.Context())
	assert.ErrorIs(t, err, errOops, "it waits to be scrubbed")
	assert.NoError(t, uerr, "it waits to be scrubbed")
	assert.False(t, waits, "it waits to be scrubbed: %v, %v", waits, err)
	assert.Error(t, s.Erased(t.Context()), "it can be noted outside of a transaction, where a crash could lose it")
}

// A reader keeps the log from being emptied until it is through.
func TestScrubWaitsForReadersAndStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	s, other := dbtest.Open(t, url), dbtest.Open(t, url)
	require.NoError(t, s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "a") }))
	ended := make(chan error)
	err := other.Query(system(t), func(*sql.Rows) error {
		go func() { ended <- s.Scrub(system(t)) }()
		return s.Tx(system(t), func(ctx context.Context) error { return addUser(ctx, s, "b") }) // writers go on
	}, "SELECT id FROM users")
	require.NoError(t, err)
	require.NoError(t, <-ended)
	log, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + "-wal")
	assert.NoError(t, err, "%d bytes are in the write-ahead log", len(log))
	assert.Empty(t, log, "%d bytes are in the write-ahead log", len(log))
	ctx, stop := context.WithCancel(system(t))
	stop()
	assert.Error(t, s.Scrub(ctx), "it went on")
}

func TestScrubDoesNothingOnPostgres(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	require.NoError(t, s.Scrub(t.Context()))
	erase(t, s, "nobody")
	waits, err := s.Unscrubbed(t.Context())
	require.NoError(t, err, "it is to be scrubbed")
	require.False(t, waits, "it is to be scrubbed: %v", waits)
}
