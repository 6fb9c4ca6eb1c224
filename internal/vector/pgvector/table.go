package pgvector

import (
	"context"
	"database/sql"
	"fmt"
)

// prepare makes what the index needs, and looks whether what is there fits.
func (x *Index) prepare(ctx context.Context, tx *sql.Tx) error {
	if err := extend(ctx, tx); err != nil {
		return err
	}
	// CREATE INDEX waits for who changes the table, even where it has nothing to do.
	there := false
	if err := tx.QueryRowContext(ctx, areThere, []string{x.table, x.labels, x.graph}).Scan(&there); err != nil {
		return fmt.Errorf("look for its table: %w", err)
	}
	if !there {
		if err := x.create(ctx, tx); err != nil {
			return err
		}
	}
	dimension := 0
	if err := tx.QueryRowContext(ctx, dimensionOf, x.table).Scan(&dimension); err != nil {
		return fmt.Errorf("read its dimension: %w", err)
	}
	if dimension != x.cfg.Dimension {
		return fmt.Errorf("it has vectors of %d numbers, %d were wanted", dimension, x.cfg.Dimension)
	}
	return nil
}

func (x *Index) create(ctx context.Context, tx *sql.Tx) error {
	if err := lock(ctx, tx); err != nil {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s
			(id text COLLATE "C" PRIMARY KEY, labels text[] COLLATE "C" NOT NULL, unit vector(%d) NOT NULL)`, x.table, x.cfg.Dimension),
		// Without fastupdate searches need not read a list of what is not yet sorted in.
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s USING gin (labels) WITH (fastupdate = off)`, x.labels, x.table),
		x.createGraph(),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make its table: %w", err)
		}
	}
	return nil
}

// lock lets one caller at a time create things, until the end of its transaction:
// of two that create the same IF NOT EXISTS at once, one fails.
func lock(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, lockCreating); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// createGraph is with inner products, which are cosines of vectors of length 1.
func (x *Index) createGraph() string {
	return fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s USING hnsw (unit vector_ip_ops) WITH (m = %d, ef_construction = %d)`,
		x.graph, x.table, x.cfg.Neighbours, x.cfg.Building)
}

// extend switches the extension on where that is allowed.
func extend(ctx context.Context, tx *sql.Tx) error {
	var installed, available sql.NullString
	if err := tx.QueryRowContext(ctx, extensionVersions).Scan(&installed, &available); err != nil {
		return fmt.Errorf("look for the extension: %w", err)
	}
	version := installed
	if !installed.Valid {
		version = available
	}
	if !version.Valid {
		return fmt.Errorf("%w: it is not installed on the server", ErrNoExtension)
	}
	var major, minor int
	if _, err := fmt.Sscanf(version.String, "%d.%d", &major, &minor); err != nil || major == 0 && minor < 8 {
		return fmt.Errorf("%w: it is version %q", ErrNoExtension, version.String)
	}
	if installed.Valid {
		return nil
	}
	if err := lock(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "CREATE EXTENSION IF NOT EXISTS vector"); err != nil {
		return fmt.Errorf("%w: %w", ErrNoExtension, err)
	}
	return nil
}
