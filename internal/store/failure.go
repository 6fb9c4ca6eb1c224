package store

import (
	"database/sql/driver"
	"errors"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"

	"parley/internal/apperr"
)

// Codes of Postgres: https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgUnique        = "23505"
	pgDiskFull      = "53100"
)

func repeatable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgSerialization || pg.Code == pgDeadlock)
}

// Duplicate tells whether a write failed because a unique value is taken.
func Duplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == pgUnique
	}
	var lite sqlite3.Error
	return errors.As(err, &lite) &&
		(lite.ExtendedCode == sqlite3.ErrConstraintUnique || lite.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// translate gives the failures of the database itself a code, so that a client
// knows that coming back later can help.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if already := new(apperr.Error); errors.As(err, &already) {
		return err
	}
	var lite sqlite3.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &lite) && (lite.Code == sqlite3.ErrFull || lite.SystemErrno == syscall.ENOSPC),
		errors.As(err, &pg) && pg.Code == pgDiskFull,
		errors.Is(err, syscall.ENOSPC):
		return apperr.Wrap(err, apperr.Unavailable, "Nothing was saved: the server's disk is full.")
	case errors.As(err, &lite) && lite.Code == sqlite3.ErrBusy,
		errors.As(err, &pg) && strings.HasPrefix(pg.Code, "57P"),
		errors.As(err, &connect), errors.Is(err, driver.ErrBadConn), errors.Is(err, syscall.ECONNREFUSED):
		return apperr.Wrap(err, apperr.Unavailable, "Nothing was saved: the database does not answer. Try again in a moment.")
	}
	return err
}
