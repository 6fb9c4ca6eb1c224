// Package dbtest gives tests migrated databases: SQLite files and databases on
// a real PostgreSQL. Each is a copy of one that was migrated once, so that a
// test of its own database costs milliseconds.
package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/migrate"
	"parley/internal/store"
	"parley/internal/testkit"
)

// Stores runs test as the parallel subtests "sqlite" and "postgres", each on a
// fresh migrated database.
func Stores(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	URLs(t, func(t *testing.T, url string) { test(t, Open(t, url)) })
}

// URLs is Stores for tests that open the database themselves, perhaps several
// times: parallel subtests with the URL of a fresh migrated database.
func URLs(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, dialect := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", SQLite}, {"postgres", Postgres}} {
		t.Run(dialect.name, func(t *testing.T) {
			t.Parallel()
			test(t, dialect.url(t))
		})
	}
}

// Open opens a database for the test and closes it at its end.
func Open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close(), "close the database")
	})
	return s
}

// SQLite gives the URL of a fresh migrated SQLite file in the test's folder.
func SQLite(t testing.TB) string {
	t.Helper()
	data, err := migratedFile()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "parley.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return "sqlite:" + path
}

// Postgres gives the URL of a fresh migrated database on the private
// PostgreSQL of testkit.Postgres.
func Postgres(t testing.TB) string {
	t.Helper()
	version, err := migrations()
	require.NoError(t, err)
	return testkit.PostgresCopy(t, version, migrateAt)
}

var migratedFile = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "parley-dbtest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "parley.db")
	if err := migrateAt("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // whole: closing the database emptied its WAL
})

// migrations names what the Postgres migrations are by their checksums.
var migrations = sync.OnceValues(func() (string, error) {
	files, err := migrate.Files("postgres")
	if err != nil {
		return "", err
	}
	sums, err := fs.ReadFile(files, "atlas.sum")
	if err != nil {
		return "", fmt.Errorf("read the migrations' checksums: %w", err)
	}
	hash := sha256.Sum256(sums)
	return hex.EncodeToString(hash[:8]), nil
})

func migrateAt(url string) (err error) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{URL: url})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = s.Migrate(ctx)
	return err
}
