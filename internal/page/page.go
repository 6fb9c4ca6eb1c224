// Package page is the one keyset pagination that every list uses: rows in the
// order of a value and, among equals, of their id or another value.
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
	// Key gives the column's value (time.Time, []byte, string or int64) and the
	// id. It must work for a row without values, by which the type of the value
	// is known.
	Key func(T) (value any, id string)
	// Tie orders rows of equal value by another column than the id, which is
	// then not used. Nil means the id, in the direction of Descending.
	Tie *Tie[T]
}

// Tie is a second column with a direction of its own. No two rows of a list
// may be equal in both.
type Tie[T any] struct {
	Column     string
	Descending bool
	// Key gives the column's value, as Order.Key does.
	Key func(T) any
}

// sortKeyOf tells where a row lies in the order.
func (o Order[T]) sortKeyOf(row T) sortKey {
	value, id := o.Key(row)
	if o.Tie != nil {
		return sortKey{value, o.Tie.Key(row)}
	}
	return sortKey{value, id}
}

// tie gives the column that breaks ties and its direction.
func (o Order[T]) tie() (column string, descending bool) {
	if o.Tie != nil {
		return o.Tie.Column, o.Tie.Descending
	}
	return "id", o.Descending
}

// Cut is what a query adds to read one page.
type Cut struct {
	Where, Order func(*sql.Selector)
}

// Edge is a row with the cursor of where it lies.
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
	found, err := rows(order.cut(backward, after, before), size+1)
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
		p.Edges[i] = Edge[T]{Node: row, Cursor: order.format(order.sortKeyOf(row))}
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

func (o Order[T]) cut(backward bool, after, before *sortKey) Cut {
	tie, tieDown := o.tie()
	return Cut{
		Where: func(s *sql.Selector) {
			if after != nil {
				s.Where(beyond(s.C(o.Column), o.Descending, s.C(tie), tieDown, *after))
			}
			if before != nil {
				s.Where(beyond(s.C(o.Column), !o.Descending, s.C(tie), !tieDown, *before))
			}
		},
		Order: func(s *sql.Selector) {
			s.OrderBy(direction(o.Descending != backward)(s.C(o.Column)), direction(tieDown != backward)(s.C(tie)))
		},
	}
}

func direction(down bool) func(string) string {
	if down {
		return sql.Desc
	}
	return sql.Asc
}

// beyond keeps the rows that lie behind p when the columns are read in the
// directions. Its first comparison alone lets an index skip to the row.
func beyond(column string, down bool, tie string, tieDown bool, p sortKey) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		if down == tieDown {
			b.WriteString("("+column+", "+tie+")").WriteOp(further(down)).WriteString("(").Args(p.value, p.tie).WriteString(")")
			return
		}
		orEqual := sql.OpGTE
		if down {
			orEqual = sql.OpLTE
		}
		b.WriteString("(" + column).WriteOp(orEqual).Arg(p.value).WriteString(" AND (" + column).WriteOp(further(down)).Arg(p.value).
			WriteString(" OR " + tie).WriteOp(further(tieDown)).Arg(p.tie).WriteString("))")
	})
}

func further(down bool) sql.Op {
	if down {
		return sql.OpLT
	}
	return sql.OpGT
}
