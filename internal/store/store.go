// Package store opens the database and owns its transactions. The same code
// runs on Postgres and on SQLite.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	_ "github.com/mattn/go-sqlite3"    // registers "sqlite3"

	"parley/ent/gen"
	_ "parley/ent/gen/runtime" // registers the entities' defaults and policies
	"parley/internal/apperr"
)

// Config says where the database is.
type Config struct {
	// URL is postgres://… or sqlite:<path>.
	URL string
	// FullSync makes SQLite fsync every commit. Without it a killed process
	// loses nothing, but a power cut may take the last commits.
	FullSync bool
	// MaxConns bounds the pool of Postgres connections and of SQLite readers;
	// 0 means 16.
	MaxConns int
}

// Store is an open database: one pool on Postgres; on SQLite one writer
// connection and a pool of readers.
type Store struct {
	dialect        string
	url            string
	writer, reader *sql.DB
	write, read    *gen.Client
	// erased tells the janitor that there is something to scrub.
	erased chan struct{}
}

// Open connects and checks that the database answers.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = 16
	}
	var s *Store
	var err error
	switch {
	case strings.HasPrefix(cfg.URL, "postgres://"), strings.HasPrefix(cfg.URL, "postgresql://"):
		s, err = openPostgres(cfg)
	case strings.HasPrefix(cfg.URL, "sqlite:"):
		s, err = openSQLite(cfg)
	default:
		return nil, fmt.Errorf("the database URL must begin with postgres:// or sqlite:, this one is %q", Redact(cfg.URL))
	}
	if err != nil {
		return nil, err
	}
	s.erased = make(chan struct{}, 1)
	ping, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, db := range []*sql.DB{s.writer, s.reader} {
		if err := db.PingContext(ping); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("the database at %s can't be used: %w", Redact(cfg.URL), err)
		}
	}
	// Writes are translated by Tx.
	s.read.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			v, err := next.Query(ctx, q)
			return v, translate(err)
		})
	}))
	return s, nil
}

func openPostgres(cfg Config) (*Store, error) {
	db, err := sql.Open("pgx", cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", Redact(cfg.URL), err)
	}
	db.SetMaxOpenConns(cfg.MaxConns)
	db.SetMaxIdleConns(cfg.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	client := gen.NewClient(gen.Driver(entsql.OpenDB(dialect.Postgres, db)))
	return &Store{dialect: dialect.Postgres, url: cfg.URL, writer: db, reader: db, write: client, read: client}, nil
}

func openSQLite(cfg Config) (*Store, error) {
	path, err := sqlitePath(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := createPrivately(path); err != nil {
		return nil, fmt.Errorf("the database %s can't be made: %w", path, err)
	}
	sync := "NORMAL"
	if cfg.FullSync {
		sync = "FULL"
	}
	base := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_journal_mode=WAL&_busy_timeout=10000&_foreign_keys=1&_cache_size=-20000&_secure_delete=on" +
		// Preparing the same few statements again and again was a quarter of the time.
		"&_stmt_cache_size=256&_synchronous=" + sync
	writer, err := sql.Open("sqlite3", base+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	// A checkpoint happens inside somebody's commit: one every 16 MiB instead of 4.
	if _, err := writer.Exec("PRAGMA wal_autocheckpoint = 4096"); err != nil {
		_ = writer.Close()
		return nil, fmt.Errorf("the database at %s can't be used: %w", cfg.URL, err)
	}
	reader, err := sql.Open("sqlite3", base+"&_query_only=1")
	if err != nil {
		_ = writer.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	reader.SetMaxOpenConns(cfg.MaxConns)
	reader.SetMaxIdleConns(cfg.MaxConns)
	return &Store{
		dialect: dialect.SQLite, url: cfg.URL, writer: writer, reader: reader,
		write: gen.NewClient(gen.Driver(entsql.OpenDB(dialect.SQLite, writer))),
		read:  gen.NewClient(gen.Driver(entsql.OpenDB(dialect.SQLite, reader))),
	}, nil
}

// Close closes all connections.
func (s *Store) Close() error {
	if s.writer == s.reader {
		return s.writer.Close()
	}
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// Postgres tells which dialect custom SQL must speak.
func (s *Store) Postgres() bool { return s.dialect == dialect.Postgres }

// DB gives the connections that may write, for what needs one of its own: a
// leader's lock.
func (s *Store) DB() *sql.DB { return s.writer }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.reader.PingContext(ctx) }

// Describe names the database without its secrets.
func (s *Store) Describe() string { return Redact(s.url) }

type txKey struct{}

type openTx struct {
	client      *gen.Client
	afterCommit []func()
	// once are the keys of OnceAfterCommit.
	once map[any]struct{}
}

// Client gives the transaction of the context, or else a client that reads.
func (s *Store) Client(ctx context.Context) *gen.Client {
	if tx, ok := ctx.Value(txKey{}).(*openTx); ok {
		return tx.client
	}
	return s.read
}

// Tx runs fn in a transaction that it puts in the context; inside another
// transaction it joins that one. fn must be repeatable: what Postgres rolls back
// for a deadlock or a serialization failure runs again.
func (s *Store) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if _, ok := ctx.Value(txKey{}).(*openTx); ok {
		return fn(ctx)
	}
	const tries = 4
	for try := 1; ; try++ {
		err := s.once(ctx, fn)
		if err == nil || try == tries || !repeatable(err) {
			return translate(err)
		}
		slog.DebugContext(ctx, "transaction repeated", "try", try, "error", err)
		select { // lets the transaction that won go on
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * rand.N(20*time.Millisecond)):
		}
	}
}

func (s *Store) once(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	tx, err := s.write.Tx(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	open := &openTx{client: tx.Client()}
	defer func() {
		if p := recover(); p != nil {
			_ = tx.Rollback()
			panic(p)
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{}, open)); err != nil {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return commitFailure(err)
	}
	for _, f := range open.afterCommit {
		f()
	}
	return nil
}

// AfterCommit runs f once the transaction of the context was committed, and at
// once outside of one.
func AfterCommit(ctx context.Context, f func()) {
	if tx, ok := ctx.Value(txKey{}).(*openTx); ok {
		tx.afterCommit = append(tx.afterCommit, f)
		return
	}
	f()
}

// OnceAfterCommit is AfterCommit for what is enough once for a transaction: of
// several calls with a key the first counts.
func OnceAfterCommit(ctx context.Context, key any, f func()) {
	if tx, ok := ctx.Value(txKey{}).(*openTx); ok {
		if _, known := tx.once[key]; known {
			return
		}
		if tx.once == nil {
			tx.once = make(map[any]struct{}, 1)
		}
		tx.once[key] = struct{}{}
	}
	AfterCommit(ctx, f)
}

// InTx tells whether the context is inside a transaction.
func InTx(ctx context.Context) bool {
	_, ok := ctx.Value(txKey{}).(*openTx)
	return ok
}

// Found turns ent's not-found into NOT_FOUND. A row that the viewer may not
// see is not found either: privacy rules narrow queries, they don't refuse.
func Found(err error, what string) error {
	var missing *gen.NotFoundError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return apperr.NotFoundf("There is no such %s.", what)
	}
	return err
}
