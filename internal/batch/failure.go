package batch

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/mattn/go-sqlite3"

	"parley/internal/apperr"
)

// stage is how far a transaction came.
type stage int

const (
	// opening: it has not begun, so no item is to blame.
	opening stage = iota
	// begun: its statements have not all run.
	begun
	// written: they have, and COMMIT was sent.
	written
	// committed: the database said so.
	committed
)

// failure is why nothing of a transaction was committed, or why nobody knows.
type failure struct {
	err error
	// divisible tells that one of the items may be to blame, and that nothing
	// was committed, so that fewer of them may be tried again.
	divisible bool
}

// errResults is a mistake in a Commit.
var errResults = errors.New("the number of results is wrong")

// explain gives the failure of a transaction that err ended at the stage. The
// results are what its Commit had said of its items.
func explain[R any](ctx context.Context, at stage, err error, results []Result[R]) *failure {
	code := apperr.CodeOf(err)
	switch {
	case at == written && !refused(err):
		return &failure{err: unknown(ctx, err)}
	case at == written && len(results) == 1 && results[0].Err != nil:
		// Commit knew what was wrong but went on in a transaction that was spoilt.
		return &failure{err: results[0].Err}
	case code == apperr.Unavailable, errors.Is(err, errResults):
		return &failure{err: err}
	case code == apperr.Timeout, ctx.Err() != nil:
		return &failure{err: slow(err)}
	case at == opening:
		return &failure{err: err}
	}
	return &failure{err: err, divisible: true}
}

// refused tells whether err is the database's refusal to commit, after which it
// has rolled back: a constraint that it checks only then, a conflict with other
// transactions, or a statement that had failed. Any other failure of COMMIT
// leaves open what happened, and repeating it could write the items twice.
//
// Codes of Postgres: https://www.postgresql.org/docs/current/errcodes-appendix.html
func refused(err error) bool {
	var answer interface{ SQLState() string } // of Postgres
	if errors.As(err, &answer) {
		code := answer.SQLState()
		return strings.HasPrefix(code, "23") || code == "40001" || code == "40P01"
	}
	var lite sqlite3.Error
	return errors.Is(err, pgx.ErrTxCommitRollback) || errors.As(err, &lite) && lite.Code == sqlite3.ErrConstraint
}

// unknown is the error of items that may or may not be committed.
func unknown(ctx context.Context, err error) error {
	if coded := new(apperr.Error); errors.As(err, &coded) {
		return err // the store's, which says so
	}
	code := apperr.Unavailable
	if ctx.Err() != nil {
		code = apperr.Timeout
	}
	return apperr.Wrap(err, code, "The database did not confirm that this was saved: look whether it was before trying again.")
}

// slow is the error of items for which the time was up before their COMMIT.
func slow(err error) error {
	if coded := new(apperr.Error); errors.As(err, &coded) && coded.Code == apperr.Timeout {
		return err
	}
	return apperr.Wrap(err, apperr.Timeout, "Nothing was saved: the database took too long. Try again in a moment.")
}
