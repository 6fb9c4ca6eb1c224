package testkit

import (
	"context"
	"database/sql"
	"os"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"

	"parley/internal/testkit/private"
)

// EnvPGVector names a PostgreSQL with pgvector that tests use instead of PGlite.
const EnvPGVector = "PARLEY_TEST_PGVECTOR_URL"

// PGVector gives a database that has the extension pgvector, as all tests of the
// process share it: they name their tables differently and drop them. It is the
// one of PARLEY_TEST_PGVECTOR_URL, with 16 connections, or else a private PGlite with
// one, on which concurrent callers queue.
func PGVector(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sharedPGVector()
	endOn(t, err)
	return db
}

// PGVectorServer gives a PGlite of the test's own, for tests that kill it. It takes one
// connection at a time.
func PGVectorServer(t testing.TB) *private.Server {
	t.Helper()
	s := startOrEnd(t, private.StartPGlite)
	stopAtEnd(t, s)
	return s
}

// sharedPGVector is never closed: the guard of PGlite ends it with this process.
var sharedPGVector = sync.OnceValues(func() (*sql.DB, error) {
	if url := os.Getenv(EnvPGVector); url != "" {
		db, err := sql.Open("pgx", url)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(16)
		return db, nil
	}
	server, err := private.StartPGlite(context.Background(), Root())
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", server.URL)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
})
