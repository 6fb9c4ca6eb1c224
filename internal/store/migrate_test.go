package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	tables "parley/ent/gen/migrate"
	versioned "parley/ent/migrate"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

func TestProcessesThatMigrateAtOnceApplyEachVersionOnce(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "parley.db") },
		"postgres": func(t *testing.T) string { return testkit.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const processes = 4
			url := url(t)
			applied := make([][]string, processes)
			var group sync.WaitGroup
			for i := range processes {
				s := dbtest.Open(t, url)
				group.Add(1)
				go func() {
					defer group.Done()
					var err error
					applied[i], err = s.Migrate(t.Context())
					assert.NoError(t, err)
					assert.NoError(t, s.CheckMigrated(t.Context()))
				}()
			}
			group.Wait()
			all := slices.Concat(applied...)
			assert.NotEmpty(t, all, "applied %v; want each version once", applied)
			assert.Len(t, slices.Compact(slices.Sorted(slices.Values(all))), len(all), "applied %v; want each version once", applied)
		})
	}
}

// Whoever changes ent/schema must run `make migration NAME=…` as well. This
// asks what that would write.
func TestTheMigrationsMakeExactlyTheSchemaOfEnt(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *sql.DB{
		dialect.SQLite: func(t *testing.T) *sql.DB {
			return openDB(t, "sqlite3", "file:empty?mode=memory&cache=shared&_fk=1")
		},
		dialect.Postgres: func(t *testing.T) *sql.DB { return openDB(t, "pgx", testkit.Postgres(t)) },
	} {
		t.Run(name, func(t *testing.T) { // one after the other: ent writes into tables.Tables
			dir := migrationDir(t, map[string]string{dialect.SQLite: "sqlite", dialect.Postgres: "postgres"}[name])
			m, err := schema.NewMigrate(entsql.OpenDB(name, open(t)), schema.WithDir(dir),
				schema.WithMigrationMode(schema.ModeReplay),
				schema.WithFormatter(migrate.DefaultFormatter), schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithErrNoPlan(true))
			require.NoError(t, err)
			switch err := m.NamedDiff(t.Context(), "missing", tables.Tables...); {
			case err == nil:
				all, _ := dir.Files()
				t.Errorf("ent/schema differs from the migrations, run `make migration NAME=…`:\n%s", all[len(all)-1].Bytes())
			case !errors.Is(err, migrate.ErrNoPlan):
				t.Fatal(err)
			}
		})
	}
}

func openDB(t *testing.T, driver, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func migrationDir(t *testing.T, folder string) migrate.Dir {
	t.Helper()
	files, err := versioned.Files(folder)
	require.NoError(t, err)
	copied := t.TempDir()
	require.NoError(t, os.CopyFS(copied, files))
	dir, err := migrate.NewLocalDir(copied)
	require.NoError(t, err)
	return dir
}

func TestAMigratedDatabaseHasNoOtherTables(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		want := []string{"schema_migrations"}
		for _, table := range tables.Tables {
			want = append(want, table.Name)
		}
		slices.Sort(want)
		assert.Equal(t, want, tableNames(t, s), "the tables")
	})
}

func tableNames(t *testing.T, s *store.Store) []string {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if s.Postgres() {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
	}
	var names []string
	err := s.Query(t.Context(), func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, query)
	require.NoError(t, err)
	slices.Sort(names)
	return names
}
