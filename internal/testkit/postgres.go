package testkit

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"

	"parley/internal/testkit/private"
)

// Postgres gives the URL of a fresh, empty database on a private PostgreSQL
// server, dropped at the test's end. The server is shared by the tests of a
// process, and by all of `make test`; tests that kill it use PostgresServer.
func Postgres(t testing.TB) string {
	t.Helper()
	return newDatabase(t, postgresAdmin(t), "")
}

// postgresAdmin is the URL of the shared server's own database.
func postgresAdmin(t testing.TB) string {
	t.Helper()
	if admin := os.Getenv(EnvPostgres); admin != "" {
		return admin
	}
	server, err := sharedPostgres()
	endOn(t, err)
	return server.URL
}

// newDatabase makes a database for the test, as a copy of template where one
// is named.
func newDatabase(t testing.TB, admin, template string) string {
	t.Helper()
	name := "parley_" + strings.ToLower(rand.Text()[:12])
	create := "CREATE DATABASE " + name
	if template != "" {
		create += " TEMPLATE " + template
	}
	endOn(t, onPostgres(admin, create))
	t.Cleanup(func() {
		assert.NoError(t, onPostgres(admin, "DROP DATABASE "+name+" WITH (FORCE)"), "drop the test's database")
	})
	own, err := databaseURL(admin, name)
	endOn(t, err)
	return own
}

func databaseURL(admin, name string) (string, error) {
	u, err := url.Parse(admin)
	if err != nil {
		return "", fmt.Errorf("%s is not a URL: %w", EnvPostgres, err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// PostgresServer gives a PostgreSQL server of the test's own, for tests that
// kill and restart it. Its URL names the database "postgres".
func PostgresServer(t testing.TB) *private.Server {
	t.Helper()
	s := startOrEnd(t, private.StartPostgres)
	stopAtEnd(t, s)
	return s
}

// sharedPostgres is never stopped by hand: its guard stops it and removes its
// folder when this process ends.
var sharedPostgres = sync.OnceValues(func() (*private.Server, error) {
	return private.StartPostgres(context.Background(), Root())
})

func onPostgres(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect to the test's PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
