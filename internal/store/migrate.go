package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqlite"

	files "parley/ent/migrate"
)

// revisionTable remembers what was applied, one JSON revision a row.
const revisionTable = `CREATE TABLE IF NOT EXISTS schema_revisions (version TEXT PRIMARY KEY, revision TEXT NOT NULL)`

// Migrate applies the versioned migrations that the database lacks, under a
// lock, so that several processes may start at once. It gives the versions
// that it applied. A migration whose checksum differs from atlas.sum is
// refused.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	var applied []string
	err := s.migrator(ctx, func(driver migrate.Driver, ex *migrate.Executor) error {
		unlock, err := lock(ctx, driver)
		if err != nil {
			return err
		}
		defer func() { _ = unlock() }()
		pending, err := pendingFiles(ctx, ex)
		if err != nil || len(pending) == 0 {
			return err
		}
		if err := ex.ExecuteN(ctx, 0); err != nil {
			return fmt.Errorf("migrate %s: %w", s.Describe(), err)
		}
		for _, f := range pending {
			applied = append(applied, f.Version())
		}
		return nil
	})
	return applied, translate(err)
}

// CheckMigrated refuses a database that lacks a migration.
func (s *Store) CheckMigrated(ctx context.Context) error {
	return s.migrator(ctx, func(_ migrate.Driver, ex *migrate.Executor) error {
		pending, err := pendingFiles(ctx, ex)
		if err != nil {
			return err
		}
		if len(pending) > 0 {
			return fmt.Errorf("the database at %s lacks %d migration(s): run `parley migrate`, or start with AUTO_MIGRATE=1",
				s.Describe(), len(pending))
		}
		return nil
	})
}

func (s *Store) migrator(ctx context.Context, fn func(migrate.Driver, *migrate.Executor) error) error {
	folder, open := "sqlite", sqlite.Open
	if s.Postgres() {
		folder, open = "postgres", postgres.Open
	}
	driver, err := open(s.writer)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", s.Describe(), err)
	}
	dir, err := migrationDir(folder)
	if err != nil {
		return err
	}
	if _, err := s.writer.ExecContext(ctx, revisionTable); err != nil && !Duplicate(err) {
		return fmt.Errorf("make the table of revisions: %w", err)
	}
	ex, err := migrate.NewExecutor(driver, dir, revisions{s}, migrate.WithAllowDirty(true))
	if err != nil {
		return err
	}
	return fn(driver, ex)
}

func lock(ctx context.Context, driver migrate.Driver) (schema.UnlockFunc, error) {
	unlock, err := driver.Lock(ctx, "parley_migrate", time.Minute)
	if err != nil {
		return nil, fmt.Errorf("another process has been migrating the database for a minute: %w", err)
	}
	return unlock, nil
}

func pendingFiles(ctx context.Context, ex *migrate.Executor) ([]migrate.File, error) {
	pending, err := ex.Pending(ctx)
	if errors.Is(err, migrate.ErrNoPendingFiles) {
		return nil, nil
	}
	return pending, err
}

func migrationDir(folder string) (migrate.Dir, error) {
	src, err := files.Files(folder)
	if err != nil {
		return nil, err
	}
	dir := &migrate.MemDir{}
	names, err := fs.Glob(src, "*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := fs.ReadFile(src, name)
		if err != nil {
			return nil, err
		}
		if err := dir.WriteFile(name, data); err != nil {
			return nil, err
		}
	}
	if err := migrate.Validate(dir); err != nil {
		return nil, fmt.Errorf("the %s migrations in this binary do not match their checksums: %w", folder, err)
	}
	return dir, nil
}

// revisions keeps Atlas's revisions in schema_revisions.
type revisions struct{ s *Store }

// Ident names the table, so that Atlas leaves it alone.
func (revisions) Ident() *migrate.TableIdent { return &migrate.TableIdent{Name: "schema_revisions"} }

// ReadRevisions gives what was applied, the oldest first.
func (r revisions) ReadRevisions(ctx context.Context) ([]*migrate.Revision, error) {
	var all []*migrate.Revision
	rows, err := r.s.writer.QueryContext(ctx, "SELECT revision FROM schema_revisions ORDER BY version")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		rev, err := scanRevision(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, rev)
	}
	return all, rows.Err()
}

// ReadRevision gives one revision or migrate.ErrRevisionNotExist.
func (r revisions) ReadRevision(ctx context.Context, version string) (*migrate.Revision, error) {
	row := r.s.writer.QueryRowContext(ctx, r.s.bind("SELECT revision FROM schema_revisions WHERE version = ?"), version)
	rev, err := scanRevision(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, migrate.ErrRevisionNotExist
	}
	return rev, err
}

// WriteRevision stores or replaces a revision.
func (r revisions) WriteRevision(ctx context.Context, rev *migrate.Revision) error {
	data, err := json.Marshal(rev)
	if err != nil {
		return err
	}
	_, err = r.s.writer.ExecContext(ctx, r.s.bind(`INSERT INTO schema_revisions (version, revision) VALUES (?, ?)
		ON CONFLICT (version) DO UPDATE SET revision = excluded.revision`), rev.Version, string(data))
	return err
}

// DeleteRevision forgets a revision.
func (r revisions) DeleteRevision(ctx context.Context, version string) error {
	_, err := r.s.writer.ExecContext(ctx, r.s.bind("DELETE FROM schema_revisions WHERE version = ?"), version)
	return err
}

func scanRevision(scan func(...any) error) (*migrate.Revision, error) {
	var data string
	if err := scan(&data); err != nil {
		return nil, err
	}
	rev := &migrate.Revision{}
	if err := json.Unmarshal([]byte(data), rev); err != nil {
		return nil, fmt.Errorf("read a revision: %w", err)
	}
	return rev, nil
}
