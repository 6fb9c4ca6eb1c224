// The diff command writes the next versioned migration of both dialects: what
// ent/schema says minus what the migrations so far give. It replays them on an
// empty SQLite database in memory and on the empty Postgres database that
// PARLEY_TEST_POSTGRES names; `make migration NAME=…` starts one privately.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"

	tables "parley/ent/gen/migrate"
)

func main() {
	name := flag.String("name", "", "name of the migration, for example add_feed")
	flag.Parse()
	if err := run(context.Background(), *name); err != nil {
		fmt.Fprintln(os.Stderr, "diff:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string) error {
	if name == "" {
		return errors.New("give the migration a name: -name add_feed")
	}
	url := os.Getenv("PARLEY_TEST_POSTGRES")
	if url == "" {
		return errors.New("PARLEY_TEST_POSTGRES must name a Postgres server; `make migration NAME=…` starts one")
	}
	lite, err := sql.Open("sqlite3", "file:diff?mode=memory&cache=shared&_fk=1")
	if err != nil {
		return err
	}
	if err := diff(ctx, lite, dialect.SQLite, "sqlite", name); err != nil {
		return err
	}
	admin, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	if err := clear(ctx, admin); err != nil {
		return err
	}
	return diff(ctx, admin, dialect.Postgres, "postgres", name)
}

// clear empties the scratch database's public schema.
func clear(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	return err
}

func diff(ctx context.Context, db *sql.DB, name, folder, migration string) error {
	defer func() { _ = db.Close() }()
	dir, err := migrate.NewLocalDir(filepath.Join("ent", "migrate", folder))
	if err != nil {
		return err
	}
	m, err := schema.NewMigrate(entsql.OpenDB(name, db),
		schema.WithDir(dir),
		schema.WithMigrationMode(schema.ModeReplay),
		schema.WithFormatter(migrate.DefaultFormatter),
		schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithErrNoPlan(true),
	)
	if err != nil {
		return err
	}
	err = m.NamedDiff(ctx, migration, tables.Tables...)
	if errors.Is(err, migrate.ErrNoPlan) {
		fmt.Println(folder + ": nothing to change")
		return nil
	}
	return err
}
