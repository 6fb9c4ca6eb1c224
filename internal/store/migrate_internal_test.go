package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ariga.io/atlas/sql/migrate"

	"parley/internal/testkit"
)

// folder makes a folder of migrations with right checksums.
func folder(t *testing.T, files map[string]string) []migration {
	t.Helper()
	known, err := readMigrations(folderFS(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func folderFS(t *testing.T, files map[string]string) fstest.MapFS {
	t.Helper()
	dir := &migrate.MemDir{}
	tree := fstest.MapFS{}
	for name, text := range files {
		if err := dir.WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	sums, err := dir.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	text, err := sums.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	tree["atlas.sum"] = &fstest.MapFile{Data: text}
	return tree
}

// empties runs test on an empty database of both dialects.
func empties(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "parley.db") },
		"postgres": func(t *testing.T) string { return testkit.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), Config{URL: url(t)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			test(t, s)
		})
	}
}

const (
	one = "CREATE TABLE one (id integer PRIMARY KEY);\nINSERT INTO one (id) VALUES (1);\n"
	two = "CREATE TABLE two (id integer PRIMARY KEY);\n"
)

func TestMigrationsAreAppliedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, s *Store) {
		first := folder(t, map[string]string{"1_one.sql": one})
		both := folder(t, map[string]string{"2_two.sql": two, "1_one.sql": one})
		if err := s.checkMigrated(t.Context(), both); err == nil || !strings.Contains(err.Error(), "lacks 2 migration(s): run `parley migrate`") {
			t.Errorf("an empty database: %v", err)
		}
		for _, step := range []struct {
			known []migration
			want  []string
		}{{first, []string{"1"}}, {first, nil}, {both, []string{"2"}}, {both, nil}} {
			got, err := s.migrate(t.Context(), step.known)
			if err != nil || !slices.Equal(got, step.want) {
				t.Fatalf("applied %v, %v; want %v", got, err, step.want)
			}
		}
		if err := s.checkMigrated(t.Context(), both); err != nil {
			t.Error(err)
		}
	})
}

func TestAHistoryThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, s *Store) {
		if _, err := s.migrate(t.Context(), folder(t, map[string]string{"1_one.sql": one, "3_three.sql": two})); err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			files map[string]string
			want  string
		}{
			"changed after it was applied": {map[string]string{"1_one.sql": one + "-- more", "3_three.sql": two}, "its checksum differs"},
			"database newer than binary":   {map[string]string{"1_one.sql": one}, "run a newer parley"},
			"squeezed in between":          {map[string]string{"1_one.sql": one, "2_two.sql": "SELECT 1;", "3_three.sql": two}, "checksum differs"},
		} {
			known := folder(t, test.files)
			_, err := s.migrate(t.Context(), known)
			for _, err := range []error{err, s.checkMigrated(t.Context(), known)} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: got %v", name, err)
				}
			}
		}
	})
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, s *Store) {
		_, err := s.migrate(t.Context(), folder(t, map[string]string{"1_one.sql": one, "2_two.sql": two + "INSERT INTO nothing VALUES (1);"}))
		if err == nil || !strings.Contains(err.Error(), "2_two.sql, nothing was changed") {
			t.Fatalf("got %v", err)
		}
		for _, table := range []string{"one", "two", "schema_migrations"} {
			if there, err := s.hasTable(t.Context(), table); there || err != nil {
				t.Errorf("the table %s: %v, %v", table, there, err)
			}
		}
		if _, err := s.migrate(t.Context(), folder(t, map[string]string{"1_one.sql": one, "2_two.sql": two})); err != nil {
			t.Fatalf("the mended one: %v", err)
		}
	})
}

// Atlas changes a table of SQLite by making it anew; what points to it must
// stay, and what would point nowhere must be refused.
func TestASQLiteTableIsMadeAnewWithoutLosingWhatPointsToIt(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "parley.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	files := map[string]string{
		"1_init.sql": `CREATE TABLE a (id integer PRIMARY KEY);
CREATE TABLE b (id integer PRIMARY KEY, a integer NOT NULL REFERENCES a (id) ON DELETE CASCADE);
INSERT INTO a VALUES (1);
INSERT INTO b VALUES (1, 1);`,
		"2_anew.sql": `PRAGMA foreign_keys = off;
CREATE TABLE new_a (id integer PRIMARY KEY, more text NULL);
INSERT INTO new_a (id) SELECT id FROM a;
DROP TABLE a;
ALTER TABLE new_a RENAME TO a;
PRAGMA foreign_keys = on;`,
	}
	for range 2 { // a second time from what is there already
		if _, err := s.migrate(t.Context(), folder(t, files)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Exec(t.Context(), "UPDATE b SET a = 1"); n != 1 || err != nil {
		t.Errorf("%d rows point to the new table, %v", n, err)
	}
	files["3_orphans.sql"] = "DELETE FROM a;"
	if _, err := s.migrate(t.Context(), folder(t, files)); err == nil || !strings.Contains(err.Error(), "point nowhere") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Exec(t.Context(), "INSERT INTO b VALUES (2, 2)"); err == nil {
		t.Error("foreign keys stayed off after the migration")
	}
}

func TestMigrationsThatDoNotMatchTheirChecksumsAreRefused(t *testing.T) {
	t.Parallel()
	tree := folderFS(t, map[string]string{"1_one.sql": one})
	tree["1_one.sql"].Data = []byte(two)
	if _, err := readMigrations(tree); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("got %v", err)
	}
	for _, postgres := range []bool{false, true} {
		if known, err := migrations(postgres); err != nil || len(known) == 0 {
			t.Errorf("%d migrations, %v", len(known), err)
		}
	}
}
