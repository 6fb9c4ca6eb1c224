package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
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
	pgLockTimeout   = "55P03"
	// Classes: connection exception, insufficient resources, operator
	// intervention.
	pgConnection = "08"
	pgResources  = "53"
	pgOperator   = "57P"
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
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err // the caller's doing, not the database's
	}
	switch {
	case full(err):
		return apperr.Wrap(err, apperr.Unavailable, "Nothing was saved: the server's disk is full.")
	case unreachable(err):
		return apperr.Wrap(err, apperr.Unavailable, "The database does not answer. Try again in a moment.")
	}
	return err
}

// commitFailure is translate for an answer to COMMIT that never came.
func commitFailure(err error) error {
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return fmt.Errorf("a statement of the transaction had failed: %w", err)
	}
	if unreachable(err) && !full(err) {
		return apperr.Wrap(err, apperr.Unavailable, "The database stopped answering while this was being saved: look whether it was before trying again.")
	}
	return fmt.Errorf("commit: %w", err)
}

func full(err error) bool {
	var lite sqlite3.Error
	var pg *pgconn.PgError
	return errors.As(err, &lite) && (lite.Code == sqlite3.ErrFull || lite.SystemErrno == syscall.ENOSPC) ||
		errors.As(err, &pg) && pg.Code == pgDiskFull || errors.Is(err, syscall.ENOSPC)
}

func unreachable(err error) bool {
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		for _, class := range []string{pgConnection, pgResources, pgOperator, pgLockTimeout} {
			if strings.HasPrefix(pg.Code, class) {
				return true
			}
		}
		return false
	}
	if lite := (sqlite3.Error{}); errors.As(err, &lite) {
		return lite.Code == sqlite3.ErrBusy || lite.Code == sqlite3.ErrIoErr || lite.Code == sqlite3.ErrCantOpen
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
