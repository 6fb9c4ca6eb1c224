package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// appliedTable remembers which migrations were applied, and their checksums.
const appliedTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
	version TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)`

// migrateLock is the advisory lock of Postgres that a migrating process holds.
const migrateLock = 0x7061726d6967 // "parmig"

// Migrate applies the versioned migrations that the database lacks and gives
// their versions. They run in one transaction, all or none, and processes that
// migrate at the same time wait for one another. A database whose migrations
// differ from this binary's is refused.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	known, err := migrations(s.Postgres())
	if err != nil {
		return nil, err
	}
	return s.migrate(ctx, known)
}

// CheckMigrated refuses a database that lacks a migration, or whose migrations
// differ from this binary's.
func (s *Store) CheckMigrated(ctx context.Context) error {
	known, err := migrations(s.Postgres())
	if err != nil {
		return err
	}
	return s.checkMigrated(ctx, known)
}

func (s *Store) checkMigrated(ctx context.Context, known []migration) error {
	applied := map[string]string{}
	there, err := s.hasTable(ctx, "schema_migrations")
	if err == nil && there {
		applied, err = appliedVersions(ctx, s.writer)
	}
	if err != nil {
		return fmt.Errorf("look which migrations were applied to %s: %w", s.Describe(), err)
	}
	pending, err := s.pending(known, applied)
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("the database at %s lacks %d migration(s): run `parley migrate`, or start with AUTO_MIGRATE=1",
			s.Describe(), len(pending))
	}
	return err
}

func (s *Store) migrate(ctx context.Context, known []migration) (versions []string, err error) {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate %s: %w", s.Describe(), translate(err))
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if !s.Postgres() {
		// To change a table SQLite makes it anew and drops the old one, which
		// with foreign keys on would delete what points to it. The setting can't
		// change inside a transaction.
		if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = off"); err != nil {
			return nil, fmt.Errorf("migrate %s: %w", s.Describe(), translate(err))
		}
		defer func() {
			_, back := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = on")
			err = errors.Join(err, back)
		}()
	}
	tx, err := conn.BeginTx(ctx, nil) // on SQLite takes the one write lock
	if err != nil {
		return nil, fmt.Errorf("migrate %s: %w", s.Describe(), translate(err))
	}
	defer func() { _ = tx.Rollback() }()
	pending, err := s.applyPending(ctx, tx, known)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("migrate %s: %w", s.Describe(), translate(err))
	}
	for _, m := range pending {
		versions = append(versions, m.version)
	}
	return versions, nil
}

func (s *Store) applyPending(ctx context.Context, tx *sql.Tx, known []migration) ([]migration, error) {
	if err := s.lockMigrations(ctx, tx); err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, appliedTable); err != nil {
		return nil, fmt.Errorf("make the table of applied migrations: %w", translate(err))
	}
	applied, err := appliedVersions(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("look which migrations were applied: %w", translate(err))
	}
	pending, err := s.pending(known, applied)
	if err != nil {
		return nil, err
	}
	for _, m := range pending {
		if err := s.apply(ctx, tx, m); err != nil {
			return nil, fmt.Errorf("migrate %s by %s, nothing was changed: %w", s.Describe(), m.name, translate(err))
		}
	}
	if s.Postgres() || len(pending) == 0 {
		return pending, nil
	}
	return pending, checkForeignKeys(ctx, tx)
}

// lockMigrations makes processes migrate one after the other. The lock ends
// with the transaction.
func (s *Store) lockMigrations(ctx context.Context, tx *sql.Tx) error {
	if !s.Postgres() {
		return nil
	}
	for _, statement := range []string{
		"SET LOCAL lock_timeout = '60s'", fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", migrateLock), "SET LOCAL lock_timeout = 0",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("wait for another process that migrates %s: %w", s.Describe(), translate(err))
		}
	}
	return nil
}

func (s *Store) apply(ctx context.Context, tx *sql.Tx, m migration) error {
	for _, statement := range m.statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, s.bind("INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (?, ?, ?)"),
		m.version, m.checksum, Now().Format(time.RFC3339Nano))
	return err
}

// pending gives what of known was not applied, after checking that the history
// of the database is this binary's.
func (s *Store) pending(known []migration, applied map[string]string) ([]migration, error) {
	var missing []migration
	seen := 0
	for _, m := range known {
		checksum, ok := applied[m.version]
		switch {
		case !ok:
			missing = append(missing, m)
		case checksum != m.checksum:
			return nil, fmt.Errorf("the migration %s is not the one that was applied to the database at %s: its checksum differs", m.name, s.Describe())
		case len(missing) > 0:
			return nil, fmt.Errorf("the database at %s has the migration %s but lacks the older %s", s.Describe(), m.name, missing[0].name)
		default:
			seen++
		}
	}
	if seen < len(applied) {
		return nil, fmt.Errorf("the database at %s has %d migration(s) that this version of parley does not know: run a newer parley",
			s.Describe(), len(applied)-seen)
	}
	return slices.Clip(missing), nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func appliedVersions(ctx context.Context, db querier) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT version, checksum FROM schema_migrations")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	applied := map[string]string{}
	for rows.Next() {
		var version, checksum string
		if err := rows.Scan(&version, &checksum); err != nil {
			return nil, err
		}
		applied[version] = checksum
	}
	return applied, rows.Err()
}

func (s *Store) hasTable(ctx context.Context, name string) (bool, error) {
	query := "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)"
	if s.Postgres() {
		query = "SELECT to_regclass($1) IS NOT NULL"
	}
	var there bool
	err := s.writer.QueryRowContext(ctx, query, name).Scan(&there)
	return there, err
}

// checkForeignKeys refuses a migration that left a row pointing nowhere.
func checkForeignKeys(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return fmt.Errorf("check the foreign keys: %w", translate(err))
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		return errors.New("the migration would leave rows that point nowhere, nothing was changed")
	}
	return rows.Err()
}
