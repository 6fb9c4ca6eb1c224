package testkit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresCopy gives the URL of a fresh database as Postgres does, filled as
// fill leaves an empty one. Filling happens once per server: later calls with
// the same name copy that database. name is part of an SQL identifier and must
// change when what fill writes changes.
func PostgresCopy(t testing.TB, name string, fill func(url string) error) string {
	t.Helper()
	admin := postgresAdmin(t)
	template := "template_" + name
	templates.Lock()
	defer templates.Unlock()
	if !templates.ready[template] {
		endOn(t, makeTemplate(admin, template, fill))
		templates.ready[template] = true
	}
	return newDatabase(t, admin, template)
}

var templates = struct {
	sync.Mutex
	ready map[string]bool
}{ready: map[string]bool{}}

// makeTemplate fills a database and gives it the template's name only once it
// is whole. The lock makes the other test processes of the server wait.
func makeTemplate(admin, template string, fill func(url string) error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("connect to the test's PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }() // lets the lock go
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext($1))", template); err != nil {
		return fmt.Errorf("wait for other test processes: %w", err)
	}
	var there bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", template).Scan(&there)
	if err != nil || there {
		return err
	}
	unfinished := template + "_unfinished"
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + unfinished, "CREATE DATABASE " + unfinished} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	own, err := databaseURL(admin, unfinished)
	if err != nil {
		return err
	}
	if err := fill(own); err != nil {
		return fmt.Errorf("fill the template of test databases: %w", err)
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+template)
	return err
}
