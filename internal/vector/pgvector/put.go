package pgvector

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"parley/internal/vector"
)

// portion is how many numbers one statement brings: 2 MiB.
const portion = 1 << 19

// Put implements vector.Index. A row that is there with the same vector and the
// same labels in the same order is left alone.
func (x *Index) Put(ctx context.Context, rows ...vector.Row) error {
	for _, r := range rows {
		if err := x.check(r); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil || len(rows) == 0 {
		return err
	}
	rows = lastOfEach(rows)
	var err error
	if len(rows) <= x.atOnce() { // one statement is a transaction of its own
		err = x.put(ctx, x.cfg.DB, rows)
	} else {
		err = x.change(ctx, func(ctx context.Context, tx *sql.Tx) error { return x.put(ctx, tx, rows) })
	}
	if err != nil {
		return fmt.Errorf("put rows into the index %s: %w", x.cfg.Name, err)
	}
	return nil
}

func (x *Index) check(r vector.Row) error {
	if err := r.Check(x.cfg.Dimension); err != nil {
		return err
	}
	if !text(r.ID) {
		return invalidf("the id %q is not text", r.ID)
	}
	for _, l := range r.Labels {
		if !text(l) {
			return invalidf("row %q: the label %q is not text", r.ID, l)
		}
	}
	return nil
}

// text tells that PostgreSQL takes a string.
func text(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// lastOfEach sorts rows by their ids and leaves out those that a later one of the
// same id replaces.
func lastOfEach(rows []vector.Row) []vector.Row {
	rows = slices.Clone(rows)
	slices.Reverse(rows)
	slices.SortStableFunc(rows, func(a, b vector.Row) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(rows, func(a, b vector.Row) bool { return a.ID == b.ID })
}

// writer is a transaction, or the database outside of one.
type writer interface {
	ExecContext(ctx context.Context, statement string, values ...any) (sql.Result, error)
}

// put takes rows of different ids.
func (x *Index) put(ctx context.Context, w writer, rows []vector.Row) error {
	types := pgtype.NewMap()
	for part := range slices.Chunk(rows, x.atOnce()) {
		ids, labels := make([]string, len(part)), make([]string, len(part))
		numbers := make([]float32, 0, len(part)*x.cfg.Dimension)
		for i, r := range part {
			words, err := types.Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, append([]string{}, r.Labels...), nil)
			if err != nil {
				return fmt.Errorf("encode the labels of row %q: %w", r.ID, err)
			}
			ids[i], labels[i] = r.ID, string(words)
			numbers = append(numbers, vector.Unit(r.Vector)...)
		}
		if _, err := w.ExecContext(ctx, fmt.Sprintf(putRows, x.table, x.cfg.Dimension), ids, labels, numbers); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) atOnce() int { return max(1, portion/x.cfg.Dimension) }

// Delete implements vector.Index.
func (x *Index) Delete(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := vector.CheckID(id); err != nil {
			return err
		}
		if !text(id) {
			return invalidf("the id %q is not text", id)
		}
	}
	if err := ctx.Err(); err != nil || len(ids) == 0 {
		return err
	}
	if _, err := x.cfg.DB.ExecContext(ctx, fmt.Sprintf(deleteRows, x.table), ids); err != nil {
		return fmt.Errorf("delete rows of the index %s: %w", x.cfg.Name, err)
	}
	return nil
}

// Load makes rows all that the index has, and the graph anew from them, which takes
// a small part of the time of adding them one by one. Meanwhile the index can't be
// searched or changed: searches and changes wait. An error of rows ends it, and
// leaves the index as it was.
func (x *Index) Load(ctx context.Context, rows iter.Seq2[vector.Row, error]) error {
	err := x.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DROP INDEX IF EXISTS "+x.graph); err != nil {
			return fmt.Errorf("drop the graph: %w", err)
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf(deleteAll, x.table)); err != nil {
			return fmt.Errorf("empty it: %w", err)
		}
		if err := x.putEach(ctx, tx, rows); err != nil {
			return err
		}
		if x.cfg.BuildingMemory > 0 {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL maintenance_work_mem = '%dMB'", x.cfg.BuildingMemory)); err != nil {
				return fmt.Errorf("set the memory to make the graph in: %w", err)
			}
		}
		for _, statement := range []string{x.createGraph(), "ANALYZE " + x.table} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make the graph: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load the index %s: %w", x.cfg.Name, err)
	}
	return nil
}

func (x *Index) putEach(ctx context.Context, tx *sql.Tx, rows iter.Seq2[vector.Row, error]) error {
	part := make([]vector.Row, 0, x.atOnce())
	for r, err := range rows {
		if err == nil {
			err = x.check(r)
		}
		if err != nil {
			return err
		}
		if part = append(part, r); len(part) == cap(part) {
			if err := x.put(ctx, tx, lastOfEach(part)); err != nil {
				return err
			}
			part = part[:0]
		}
	}
	return x.put(ctx, tx, lastOfEach(part))
}
