package store

import (
	"path/filepath"
	"testing"
	"testing/fstest"

	"ariga.io/atlas/sql/migrate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// folder makes a folder of migrations with right checksums.
func folder(t *testing.T, files map[string]string) []migration {
	t.Helper()
	known, err := readMigrations(folderFS(t, files))
	require.NoError(t, err)
	return known
}

func folderFS(t *testing.T, files map[string]string) fstest.MapFS {
	t.Helper()
	dir := &migrate.MemDir{}
	tree := fstest.MapFS{}
	for name, text := range files {
		require.NoError(t, dir.WriteFile(name, []byte(text)))
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	sums, err := dir.Checksum()
	require.NoError(t, err)
	text, err := sums.MarshalText()
	require.NoError(t, err)
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
			require.NoError(t, err)
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
		err := s.checkMigrated(t.Context(), both)
		assert.Error(t, err, "an empty database")
		assert.ErrorContains(t, err, "lacks 2 migration(s): run `parley migrate`", "an empty database")
		for _, step := range []struct {
			known []migration
			want  []string
		}{{first, []string{"1"}}, {first, nil}, {both, []string{"2"}}, {both, nil}} {
			got, err := s.migrate(t.Context(), step.known)
			require.NoError(t, err, "applied")
			require.Equal(t, step.want, got, "applied")
		}
		assert.NoError(t, s.checkMigrated(t.Context(), both))
	})
}

func TestAHistoryThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, s *Store) {
		_, err := s.migrate(t.Context(), folder(t, map[string]string{"1_one.sql": one, "3_three.sql": two}))
		require.NoError(t, err)
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
				assert.Error(t, err, name)
				assert.ErrorContains(t, err, test.want, name)
			}
		}
	})
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, s *Store) {
		_, err := s.migrate(t.Context(), folder(t, map[string]string{"1_one.sql": one, "2_two.sql": two + "INSERT INTO nothing VALUES (1);"}))
		require.Error(t, err)
		require.ErrorContains(t, err, "2_two.sql, nothing was changed")
		for _, table := range []string{"one", "two", "schema_migrations"} {
			there, err := s.hasTable(t.Context(), table)
			assert.NoError(t, err, "the table %s", table)
			assert.False(t, there, "the table %s: %v", table, there)
		}
		_, err = s.migrate(t.Context(), folder(t, map[string]string{"1_one.sql": one, "2_two.sql": two}))
		require.NoError(t, err, "the mended one")
	})
}

// Atlas changes a table of SQLite by making it anew; what points to it must
// stay, and what would point nowhere must be refused.
func TestASQLiteTableIsMadeAnewWithoutLosingWhatPointsToIt(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "parley.db")})
	require.NoError(t, err)
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
		_, err := s.migrate(t.Context(), folder(t, files))
		require.NoError(t, err)
	}
	n, err := s.Exec(t.Context(), "UPDATE b SET a = 1")
	assert.NoError(t, err, "%d rows point to the new table", n)
	assert.Equal(t, int64(1), n, "%d rows point to the new table", n)
	files["3_orphans.sql"] = "DELETE FROM a;"
	_, err = s.migrate(t.Context(), folder(t, files))
	assert.Error(t, err)
	assert.ErrorContains(t, err, "point nowhere")
	_, err = s.Exec(t.Context(), "INSERT INTO b VALUES (2, 2)")
	assert.Error(t, err, "foreign keys stayed off after the migration")
}

func TestMigrationsThatDoNotMatchTheirChecksumsAreRefused(t *testing.T) {
	t.Parallel()
	tree := folderFS(t, map[string]string{"1_one.sql": one})
	tree["1_one.sql"].Data = []byte(two)
	_, err := readMigrations(tree)
	assert.Error(t, err)
	assert.ErrorContains(t, err, "checksum")
	for _, postgres := range []bool{false, true} {
		known, err := migrations(postgres)
		assert.NoError(t, err, "migrations")
		assert.NotEmpty(t, known, "migrations")
	}
}
