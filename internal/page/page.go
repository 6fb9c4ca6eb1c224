// Package page is the one keyset pagination that every list uses: rows in the
// order of a value and, among equals, of their id.
package page

import (
	"slices"

	"entgo.io/ent/dialect/sql"

	"parley/internal/apperr"
)

// Most is the largest page; Usual is the page of a call that names no size.
const (
	Most  = 100
	Usual = 20
)

// Args are the four arguments of a Relay connection.
type Args struct {
	First, Last   *int
	After, Before *string
}

// Order is one way to sort rows of T.
type Order[T any] struct {
	// Name goes into the cursors, so that one of another order is refused.
	Name       string
	Column     string
	Descending bool
	// Key gives the column's value (time.Time, []byte or string) and the id. It
	// must work for a row without values, by which the type of the value is
	// known.
	Key func(T) (value any, id string)
}

// Cut is what a query adds to read one page.
type Cut struct {
	Where, Order func(*sql.Selector)
}

// Edge is a row with the cursor of its place.
type Edge[T any] struct {
	Node   T
	Cursor string
}

// Page is one page of a list.
type Page[T any] struct {
	Edges                []Edge[T]
	HasNext, HasPrevious bool
	// Count counts the whole list; it costs a query.
	Count func() (int, error)
}

// Load reads one page: rows runs the query with the cut and the limit.
func Load[T any](args Args, order Order[T], rows func(Cut, int) ([]T, error), count func() (int, error)) (*Page[T], error) {
	size, backward, err := args.size()
	if err != nil {
		return nil, err
	}
	after, err := order.parse(args.After, "after")
	if err != nil {
		return nil, err
	}
	before, err := order.parse(args.Before, "before")
	if err != nil {
		return nil, err
	}
	found, err := rows(cut(order.Column, order.Descending, backward, after, before), size+1)
	if err != nil {
		return nil, err
	}
	more := len(found) > size
	if more {
		found = found[:size]
	}
	p := &Page[T]{Count: count, Edges: make([]Edge[T], len(found))}
	if backward {
		slices.Reverse(found)
		p.HasPrevious, p.HasNext = more, before != nil
	} else {
		p.HasNext, p.HasPrevious = more, after != nil
	}
	for i, row := range found {
		value, id := order.Key(row)
		p.Edges[i] = Edge[T]{Node: row, Cursor: order.format(value, id)}
	}
	return p, nil
}

func (a Args) size() (size int, backward bool, err error) {
	if a.First != nil && a.Last != nil {
		return 0, false, apperr.Argument("last", "Give first or last, not both.")
	}
	n, name := Usual, "first"
	switch {
	case a.First != nil:
		n = *a.First
	case a.Last != nil:
		n, name, backward = *a.Last, "last", true
	}
	if n < 0 || n > Most {
		return 0, false, apperr.Argument(name, "A page has 0 to %d items.", Most)
	}
	return n, backward, nil
}

func cut(column string, descending, backward bool, after, before *position) Cut {
	down := descending != backward
	return Cut{
		Where: func(s *sql.Selector) {
			if after != nil {
				s.Where(beyond(s, column, descending, *after))
			}
			if before != nil {
				s.Where(beyond(s, column, !descending, *before))
			}
		},
		Order: func(s *sql.Selector) {
			direction := sql.Asc
			if down {
				direction = sql.Desc
			}
			s.OrderBy(direction(s.C(column)), direction(s.C("id")))
		},
	}
}

func beyond(s *sql.Selector, column string, down bool, p position) *sql.Predicate {
	op := sql.OpGT
	if down {
		op = sql.OpLT
	}
	return sql.P(func(b *sql.Builder) {
		b.WriteString("("+s.C(column)+", "+s.C("id")+")").WriteOp(op).WriteString("(").Args(p.value, p.id).WriteString(")")
	})
}
