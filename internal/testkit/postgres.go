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

	"parley/internal/testkit/private"
)

// Postgres gives the URL of a fresh, empty database on a private PostgreSQL
// server, dropped at the test's end. The server is shared by the tests of a
// process, and by all of `make test`; tests that kill it use PostgresServer.
func Postgres(t testing.TB) string {
	t.Helper()
	admin := os.Getenv(EnvPostgres)
	if admin == "" {
		server, err := sharedPostgres()
		endOn(t, err)
		admin = server.URL
	}
	name := "parley_" + strings.ToLower(rand.Text()[:12])
	endOn(t, onPostgres(admin, "CREATE DATABASE "+name))
	t.Cleanup(func() {
		if err := onPostgres(admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s is not a URL: %v", EnvPostgres, err)
	}
	u.Path = "/" + name
	return u.String()
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
