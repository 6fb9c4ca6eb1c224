// Package pgvector is a vector.Index in PostgreSQL with the extension pgvector,
// version 0.8 or newer: a table, and an HNSW graph over its vectors.
//
// The graph finds nearly all of the nearest rows, and never shortens a page: where
// a filter keeps few rows, or the graph gave fewer than there are, every row that
// counts is compared. Scores are those of vector.Exact, and so is the order of
// the rows that were found.
package pgvector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"

	"parley/internal/vector"
)

// MaxDimension is the most numbers of a vector that pgvector makes a graph of.
const MaxDimension = 2000

// ErrNoExtension is what Open answers when the database has no pgvector, one that
// is too old, or one that this user may not switch on.
var ErrNoExtension = errors.New("the database lacks the extension pgvector 0.8 or newer")

// Config is what an Index is opened with.
type Config struct {
	// DB is PostgreSQL by way of pgx. It stays the caller's.
	DB *sql.DB
	// Name is that of the index, 1 to 40 of a-z, 0-9 and _. Its table is named
	// vectors_ and this.
	Name string
	// Dimension is how many numbers a vector has, 1 to MaxDimension.
	Dimension int
	// Neighbours is how many a row has in the graph (m of pgvector, 2 to 100), and
	// Building how many candidates are looked at for them (ef_construction, 4 to
	// 1,000, at least twice as many). They count when the graph is made; 0 is 24
	// and 200.
	Neighbours, Building int
	// Searching is how many candidates a search begins with (ef_search, 1 to
	// 1,000); 0 is 200.
	Searching int
	// BuildingMemory is how many MiB Load may take in the server to make the graph
	// (maintenance_work_mem); 0 leaves what the server has set.
	BuildingMemory int
}

var name = regexp.MustCompile(`^[a-z0-9_]{1,40}$`)

func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		value   *int
		usually int
	}{{&c.Neighbours, 24}, {&c.Building, 200}, {&c.Searching, 200}} {
		if *d.value == 0 {
			*d.value = d.usually
		}
	}
	switch {
	case !name.MatchString(c.Name):
		return c, invalidf("%q is no name of an index", c.Name)
	case c.Dimension < 1 || c.Dimension > MaxDimension:
		return c, invalidf("%d dimensions, 1 to %d are allowed", c.Dimension, MaxDimension)
	case c.Neighbours < 2 || c.Neighbours > 100:
		return c, invalidf("%d neighbours in the graph, 2 to 100 are allowed", c.Neighbours)
	case c.Building < 2*c.Neighbours || c.Building > 1000:
		return c, invalidf("%d candidates for %d neighbours, twice as many to 1000 are allowed", c.Building, c.Neighbours)
	case c.Searching < 1 || c.Searching > mostSearching:
		return c, invalidf("%d candidates of a search, 1 to %d are allowed", c.Searching, mostSearching)
	case c.BuildingMemory < 0 || c.BuildingMemory > 1<<20:
		return c, invalidf("%d MiB to make the graph in", c.BuildingMemory)
	}
	return c, nil
}

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", vector.ErrInvalid, fmt.Errorf(format, args...))
}

// Index is a vector.Index. Ids and labels are UTF-8 without the character NUL:
// others are ErrInvalid, and no row has such labels. Errors of the database are
// wrapped.
type Index struct {
	cfg Config
	// table, graph and labels are the quoted names of the table and its indexes.
	table, graph, labels string
	// margin is how far the products that pgvector computes in float32 may be from
	// a score.
	margin float64
}

// Open gives the index of a name, and makes it where it is missing. One that is
// there has the same dimension, or Open fails.
func Open(ctx context.Context, cfg Config) (*Index, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	x := &Index{
		cfg: cfg, table: quoted(cfg.Name, ""), graph: quoted(cfg.Name, "_graph"), labels: quoted(cfg.Name, "_labels"),
		// Higham, Accuracy and Stability of Numerical Algorithms, 3.1: a sum of n
		// products is off by at most n/2^24 of the sum of their sizes, in whatever
		// order it is added. That sum is 1 at most for vectors of length 1.
		margin: float64(cfg.Dimension+2) / (1 << 24),
	}
	if err := x.change(ctx, x.prepare); err != nil {
		return nil, fmt.Errorf("open the index %s: %w", cfg.Name, err)
	}
	return x, nil
}

// change runs fn in a transaction.
func (x *Index) change(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	tx, err := x.cfg.DB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Check tells whether a database can hold indexes, and switches the extension on where
// that is allowed. ErrNoExtension says that it can't.
func Check(ctx context.Context, db *sql.DB) error {
	return (&Index{cfg: Config{DB: db}}).change(ctx, extend)
}

// Vector implements vector.Index.
func (x *Index) Vector(ctx context.Context, id string) (values []float32, ok bool, err error) {
	if !text(id) { // no row has it
		return nil, false, nil
	}
	var raw []byte
	err = x.cfg.DB.QueryRowContext(ctx, fmt.Sprintf(vectorOf, x.table), id).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	values = make([]float32, x.cfg.Dimension)
	if err == nil {
		err = decode(values, raw)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read row %q of the index %s: %w", id, x.cfg.Name, err)
	}
	return values, true, nil
}

// Len implements vector.Index.
func (x *Index) Len(ctx context.Context) (int, error) {
	n := 0
	if err := x.cfg.DB.QueryRowContext(ctx, fmt.Sprintf(countAll, x.table)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the rows of the index %s: %w", x.cfg.Name, err)
	}
	return n, nil
}

// Drop removes the index with all its rows. What is asked of it afterwards fails.
func (x *Index) Drop(ctx context.Context) error { return Drop(ctx, x.cfg.DB, x.cfg.Name) }

// Drop removes the index of a name, if there is one.
func Drop(ctx context.Context, db *sql.DB, name string) error {
	if _, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+quoted(name, "")); err != nil {
		return fmt.Errorf("drop the index %s: %w", name, err)
	}
	return nil
}

// quoted is the name of an index's table, or of what belongs to it.
func quoted(name, suffix string) string { return pgx.Identifier{"vectors_" + name + suffix}.Sanitize() }
