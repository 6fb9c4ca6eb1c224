package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

func TestAFullDiskIsUnavailableAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.SQLite(t))
	ctx := system(t)
	require.NoError(t, s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "before") }))
	// The limit in pages fails as a full disk does, with SQLITE_FULL.
	_, err := s.DB().ExecContext(ctx, "PRAGMA max_page_count = 1")
	require.NoError(t, err)
	fillUp(t, s)
	n := users(t, s)
	require.Equal(t, 1, n, "%d users, want the one from before", n)
	_, err = s.DB().ExecContext(ctx, "PRAGMA max_page_count = 100000")
	require.NoError(t, err)
	require.NoError(t, s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "after") }), "with room again")
}

// fillUp writes in one transaction until the disk is full.
func fillUp(t *testing.T, s *store.Store) {
	t.Helper()
	long := strings.Repeat("x", 1<<20)
	err := s.Tx(system(t), func(ctx context.Context) error {
		for range 64 {
			if err := addUser(ctx, s, "lost"+store.NewID("x")); err != nil {
				return err
			}
			if _, err := s.Exec(ctx, "UPDATE users SET password_hash = ? WHERE email LIKE 'lost%'", long); err != nil {
				return err
			}
		}
		return nil
	})
	require.True(t, apperr.Is(err, apperr.Unavailable), "got %v, want UNAVAILABLE and a full disk", err)
	require.ErrorContains(t, err, "disk is full", "want UNAVAILABLE and a full disk")
}

func TestAReallyFullDiskIsUnavailableAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: a small disk, which only root can mount: %v", err)
	}
	t.Cleanup(func() {
		assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH))
	})
	s := dbtest.Open(t, "sqlite:"+filepath.Join(dir, "parley.db"))
	ctx := system(t)
	_, err := s.Migrate(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "before") }))
	fillUp(t, s)
	n := users(t, s)
	require.Equal(t, 1, n, "%d users, want the one from before", n)
	var ok string
	require.NoError(t, s.DB().QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&ok), "the database is damaged")
	require.Equal(t, "ok", ok, "the database is damaged")
}

func TestPostgresFailuresHaveACode(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	for _, test := range []struct {
		sqlstate string
		want     apperr.Code
	}{
		{"53100", apperr.Unavailable}, {"53300", apperr.Unavailable}, {"57P01", apperr.Unavailable},
		{"08006", apperr.Unavailable}, {"55P03", apperr.Unavailable}, {"22012", apperr.Internal},
	} {
		err := s.Tx(system(t), func(ctx context.Context) error {
			_, err := s.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '"+test.sqlstate+"'; END $$")
			return err
		})
		assert.Equal(t, test.want, apperr.CodeOf(err), test.sqlstate)
		assert.Error(t, err, test.sqlstate)
	}
}

func TestALostPostgresIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	ctx := system(t)
	_, err := s.Migrate(ctx)
	require.NoError(t, err)
	write := func() error {
		return s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, store.NewID("x")) })
	}
	read := func() error { _, err := s.Client(ctx).User.Query().Count(ctx); return err }
	calls := map[string]func() error{
		"write": write, "read": read,
		"custom": func() error { _, err := s.Exec(ctx, "DELETE FROM outbox"); return err },
	}
	for name, call := range calls {
		require.NoError(t, call(), name)
	}
	inside := s.Tx(ctx, func(ctx context.Context) error {
		if err := addUser(ctx, s, "lost"); err != nil {
			return err
		}
		return server.Kill()
	})
	assert.True(t, apperr.Is(inside, apperr.Unavailable), "a lost COMMIT gives %v", inside)
	assert.ErrorContains(t, inside, "look whether it was", "a lost COMMIT")
	for name, call := range calls {
		err := call()
		assert.True(t, apperr.Is(err, apperr.Unavailable), "%s gives %v, want UNAVAILABLE", name, err)
	}
	assert.Error(t, s.Ping(ctx), "Ping finds nothing wrong")
	require.NoError(t, server.Restart(ctx))
	for name, call := range calls {
		assert.NoError(t, call(), "%s after the restart", name)
	}
	n := users(t, s)
	assert.Equal(t, 2, n, "%d users, want the 2 that were committed", n)
}

func TestACancelledCallIsNoFailureOfTheDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(system(t))
		err := s.Tx(ctx, func(ctx context.Context) error {
			cancel()
			return addUser(ctx, s, "gone")
		})
		assert.Error(t, err)
		assert.False(t, apperr.Is(err, apperr.Unavailable), "got %v", err)
		assert.Zero(t, users(t, s), "users")
	})
}

func TestOpenSaysInASentenceWhatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600))
	for url, want := range map[string]string{
		"":                      "must begin with postgres:// or sqlite:",
		"mysql://u:secret@h/db": "must begin with postgres:// or sqlite:",
		"sqlite:":               "names no file",
		"sqlite:/tmp/":          "names no file",
		"sqlite::memory:":       "name a file",
		"sqlite://parley.db":    "for example sqlite:/parley.db",
		"sqlite:" + file:        "can't be used: file is not a database",
		"sqlite:" + file + "/x": "can't be made",
		"sqlite:/proc/x/y":      "can't be made",
		"sqlite:" + t.TempDir(): "is a directory",
		"postgres://u:secret@127.0.0.1:1/db?sslmode=disable":             "can't be used",
		"postgres://127.0.0.1:1/db?sslmode=disable&password=secret":      "can't be used",
		"postgres://u:secret@127.0.0.1:notaport/db":                      "unreadable",
		"postgresql://u:secret@127.0.0.1:1/db?sslmode=secret-is-no-mode": "can't be used",
	} {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err == nil {
			_ = s.Close()
			t.Errorf("%q opens", url)
			continue
		}
		assert.ErrorContains(t, err, want, "%q gives: %v\nwant: %s, and no secret", url, err, want)
		assert.NotContains(t, strings.ReplaceAll(err.Error(), "secret-is", ""), "secret", "%q gives: %v\nwant: %s, and no secret", url, err, want)
	}
}

func TestADataFolderThatCantBeWrittenIsASentence(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED, NOT TESTED: root may write everywhere")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500)) //nolint:gosec // a folder needs x
	_, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "sub", "parley.db")})
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, "can't be made")
}

func TestOddPathsAreFilesOfThatName(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, name := range []string{"a b", "what?mode=ro", "100%", "%zz", "a#b", "ü", "a:b", "a&_query_only=1", "'quoted'", `back\slash`, "new\nline"} {
		path := filepath.Join(base, name, name+".db")
		s := dbtest.Open(t, "sqlite:"+path)
		_, err := s.Migrate(t.Context())
		assert.NoError(t, err, "%q", name)
		info, err := os.Stat(path)
		assert.True(t, err == nil && info.Mode().Perm() == 0o600, "%q: %v, %v; want a file for its owner only", name, info, err)
		assert.Equal(t, "sqlite:"+path, s.Describe(), "%q", path)
		_, err = os.Stat(path + "-wal")
		assert.NoError(t, err, "%q has no write-ahead log", name)
	}
	s := dbtest.Open(t, "sqlite://"+filepath.Join(base, "three slashes.db"))
	if _, err := os.Stat(filepath.Join(base, "three slashes.db")); err != nil || s.Ping(t.Context()) != nil {
		t.Fatal(err)
	}
}
