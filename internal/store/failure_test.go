package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"parley/internal/apperr"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

func TestAFullDiskIsUnavailableAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.SQLite(t))
	ctx := system(t)
	if err := s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "before") }); err != nil {
		t.Fatal(err)
	}
	// The limit in pages fails as a full disk does, with SQLITE_FULL.
	if _, err := s.DB().ExecContext(ctx, "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	fillUp(t, s)
	if n := users(t, s); n != 1 {
		t.Fatalf("%d users, want the one from before", n)
	}
	if _, err := s.DB().ExecContext(ctx, "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "after") }); err != nil {
		t.Fatalf("with room again: %v", err)
	}
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
	if !apperr.Is(err, apperr.Unavailable) || !strings.Contains(err.Error(), "disk is full") {
		t.Fatalf("got %v, want UNAVAILABLE and a full disk", err)
	}
}

func TestAReallyFullDiskIsUnavailableAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: a small disk, which only root can mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := dbtest.Open(t, "sqlite:"+filepath.Join(dir, "parley.db"))
	ctx := system(t)
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, "before") }); err != nil {
		t.Fatal(err)
	}
	fillUp(t, s)
	if n := users(t, s); n != 1 {
		t.Fatalf("%d users, want the one from before", n)
	}
	var ok string
	if err := s.DB().QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Fatalf("the database is damaged: %s, %v", ok, err)
	}
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
		if apperr.CodeOf(err) != test.want || err == nil {
			t.Errorf("%s gives %v, want %s", test.sqlstate, err, test.want)
		}
	}
}

func TestALostPostgresIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	ctx := system(t)
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return s.Tx(ctx, func(ctx context.Context) error { return addUser(ctx, s, store.NewID("x")) })
	}
	read := func() error { _, err := s.Client(ctx).User.Query().Count(ctx); return err }
	calls := map[string]func() error{
		"write": write, "read": read,
		"custom": func() error { _, err := s.Exec(ctx, "DELETE FROM outbox"); return err },
	}
	for name, call := range calls {
		if err := call(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	inside := s.Tx(ctx, func(ctx context.Context) error {
		if err := addUser(ctx, s, "lost"); err != nil {
			return err
		}
		return server.Kill()
	})
	if !apperr.Is(inside, apperr.Unavailable) || !strings.Contains(inside.Error(), "look whether it was") {
		t.Errorf("a lost COMMIT gives %v", inside)
	}
	for name, call := range calls {
		if err := call(); !apperr.Is(err, apperr.Unavailable) {
			t.Errorf("%s gives %v, want UNAVAILABLE", name, err)
		}
	}
	if err := s.Ping(ctx); err == nil {
		t.Error("Ping finds nothing wrong")
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s after the restart: %v", name, err)
		}
	}
	if n := users(t, s); n != 2 {
		t.Errorf("%d users, want the 2 that were committed", n)
	}
}

func TestACancelledCallIsNoFailureOfTheDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(system(t))
		err := s.Tx(ctx, func(ctx context.Context) error {
			cancel()
			return addUser(ctx, s, "gone")
		})
		if err == nil || apperr.Is(err, apperr.Unavailable) {
			t.Errorf("got %v", err)
		}
		if n := users(t, s); n != 0 {
			t.Errorf("%d users", n)
		}
	})
}

func TestOpenSaysInASentenceWhatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
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
		if !strings.Contains(err.Error(), want) || strings.Contains(strings.ReplaceAll(err.Error(), "secret-is", ""), "secret") {
			t.Errorf("%q gives: %v\nwant: %s, and no secret", url, err, want)
		}
	}
}

func TestADataFolderThatCantBeWrittenIsASentence(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED, NOT TESTED: root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // a folder needs x
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "sub", "parley.db")})
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "can't be made") {
		t.Fatalf("got %v", err)
	}
}

func TestOddPathsAreFilesOfThatName(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, name := range []string{"a b", "what?mode=ro", "100%", "%zz", "a#b", "ü", "a:b", "a&_query_only=1", "'quoted'", `back\slash`, "new\nline"} {
		path := filepath.Join(base, name, name+".db")
		s := dbtest.Open(t, "sqlite:"+path)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v; want a file for its owner only", name, info, err)
		}
		if s.Describe() != "sqlite:"+path {
			t.Errorf("%q is called %q", path, s.Describe())
		}
		if _, err := os.Stat(path + "-wal"); err != nil {
			t.Errorf("%q has no write-ahead log: %v", name, err)
		}
	}
	s := dbtest.Open(t, "sqlite://"+filepath.Join(base, "three slashes.db"))
	if _, err := os.Stat(filepath.Join(base, "three slashes.db")); err != nil || s.Ping(t.Context()) != nil {
		t.Fatal(err)
	}
}
