// Package vector finds the rows whose vectors are nearest to a query's, by
// cosine, among those that a filter keeps. Exact does so in the memory of the
// process, for any database; whatever else is an Index passes the contract suite
// in vectortest as well.
package vector

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Limits of what an Index takes.
const (
	// MaxDimension is the most numbers that a vector may have.
	MaxDimension = 4096
	// MaxID is the most bytes of an id, which has at least one.
	MaxID = 64
	// MaxLabels is the most labels of a row.
	MaxLabels = 64
	// MaxLabel is the most bytes of a label, which has at least one.
	MaxLabel = 256
	// MaxHits is the most hits of one search.
	MaxHits = 10_000
	// MaxClauses is the most clauses of a filter.
	MaxClauses = 16
	// MaxClauseLabels is the most labels of one clause.
	MaxClauseLabels = 10_000
)

// ErrInvalid is what a row or a query is refused with that could never be taken.
var ErrInvalid = errors.New("invalid input of a vector index")

// ErrClosed is what a closed index answers.
var ErrClosed = errors.New("the vector index is closed")

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}

// Index holds rows by their ids. It is safe for concurrent use.
type Index interface {
	// Put adds rows, or replaces those that have the same ids: all of them at
	// once or, with an error, none. Of two rows with the same id in one call the
	// later one counts. Vectors are brought to unit length. A row with a wrong
	// dimension, with NaN or infinity, or with zeros only is ErrInvalid.
	Put(ctx context.Context, rows ...Row) error
	// Delete removes rows, all at once. Ids that are not there are passed over.
	// A search that begins after Delete returned does not find them.
	Delete(ctx context.Context, ids ...string) error
	// Search gives the best hits, the highest score first and equal scores by
	// id: as many as asked for whenever the filter keeps so many. It sees the
	// index as it was at one moment after its call.
	Search(ctx context.Context, q Query) ([]Hit, error)
	// Vector gives the vector of a row, of length 1; false when there is no such row.
	Vector(ctx context.Context, id string) (values []float32, ok bool, err error)
	// Len is the number of rows.
	Len(ctx context.Context) (int, error)
}

// Row is one vector and what it is found and filtered by.
type Row struct {
	// ID is any text of 1 to MaxID bytes.
	ID string
	// Vector is of any length but zero; only its direction counts.
	Vector []float32
	// Labels are what filters ask for, such as "owner:user_01…" or "kind:note":
	// opaque to the index, in no order, doubles count once.
	Labels []string
}

// Filter keeps the rows that meet every clause; one without clauses keeps all.
// A row meets a clause by having one of its labels, so that nothing meets an
// empty clause. For example the public rows and those of u1, if they are notes:
//
//	Filter{{"public", "owner:u1"}, {"kind:note"}}
type Filter [][]string

// Query is what is searched for.
type Query struct {
	// Vector is as in Row.
	Vector []float32
	// K is how many hits are wanted, 1 to MaxHits.
	K int
	// Filter says which rows count.
	Filter Filter
	// MinScore leaves out what scores lower; nil is no bound.
	MinScore *float64
	// After continues behind the last hit of a page: what scores lower, or the
	// same with a higher id. It need not be a row that is still there.
	After *Hit
}

// Hit is a row that was found.
type Hit struct {
	ID string
	// Score is the cosine of both vectors, from -1 to 1.
	Score float64
}

// Before tells that a hit ranks before another.
func (h Hit) Before(other Hit) bool {
	if h.Score != other.Score {
		return h.Score > other.Score
	}
	return h.ID < other.ID
}

// Check refuses a row that no index of the dimension takes.
func (r Row) Check(dimension int) error {
	if err := CheckID(r.ID); err != nil {
		return err
	}
	if len(r.Labels) > MaxLabels {
		return invalidf("row %q has %d labels, %d are allowed", r.ID, len(r.Labels), MaxLabels)
	}
	for _, l := range r.Labels {
		if err := checkLabel(l); err != nil {
			return fmt.Errorf("row %q: %w", r.ID, err)
		}
	}
	if err := checkVector(r.Vector, dimension); err != nil {
		return fmt.Errorf("row %q: %w", r.ID, err)
	}
	return nil
}

// Check refuses a query that no index of the dimension answers.
func (q Query) Check(dimension int) error {
	if q.K < 1 || q.K > MaxHits {
		return invalidf("%d hits wanted, 1 to %d are allowed", q.K, MaxHits)
	}
	if len(q.Filter) > MaxClauses {
		return invalidf("a filter of %d clauses, %d are allowed", len(q.Filter), MaxClauses)
	}
	for _, clause := range q.Filter {
		if len(clause) > MaxClauseLabels {
			return invalidf("a clause of %d labels, %d are allowed", len(clause), MaxClauseLabels)
		}
	}
	if q.MinScore != nil && math.IsNaN(*q.MinScore) {
		return invalidf("the least score is not a number")
	}
	if q.After != nil && math.IsNaN(q.After.Score) {
		return invalidf("the score to continue after is not a number")
	}
	return checkVector(q.Vector, dimension)
}

// CheckID refuses what no row has as its id.
func CheckID(id string) error {
	if id == "" || len(id) > MaxID {
		return invalidf("an id of %d bytes, 1 to %d are allowed", len(id), MaxID)
	}
	return nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > MaxLabel {
		return invalidf("a label of %d bytes, 1 to %d are allowed", len(label), MaxLabel)
	}
	return nil
}

func checkVector(v []float32, dimension int) error {
	if len(v) != dimension {
		return invalidf("a vector of %d numbers in an index of %d", len(v), dimension)
	}
	zero := true
	for i, x := range v {
		if x != x || math.IsInf(float64(x), 0) {
			return invalidf("number %d of the vector is %v", i, x)
		}
		zero = zero && x == 0
	}
	if zero {
		return invalidf("a vector of zeros has no direction")
	}
	return nil
}
