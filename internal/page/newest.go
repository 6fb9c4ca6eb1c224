package page

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/apperr"
)

// Key is where a row lies in a list that is sorted by a time and, among equals, an id.
type Key struct {
	At time.Time
	ID string
}

// Span is what a statement reads of a list that has the newest rows first.
type Span struct {
	// After and Before bound it, exclusive; nil bounds nothing.
	After, Before *Key
	// Backward reads from the end of the list.
	Backward bool
	// Limit is the most rows.
	Limit int
}

// limits are written into the statement, so that Postgres knows when it plans
// it once for all how few rows will be read.
var limits = []int{11, 21, 51, 101}

// Index names the columns of the index that a list is read from: those that have
// one value all over the list, then its time and its id.
type Index struct {
	Fixed    []string
	Time, ID string
	// Closed bounds the list at both ends, which is needed where the statement has
	// other conditions. Otherwise rows of other values of the fixed columns may
	// follow, and the caller leaves them out.
	Closed bool
}

// Rows of a list lie between these.
var (
	oldest = &Key{At: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}
	latest = &Key{At: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
)

// SQL gives the end of a SELECT that has a WHERE already, and its arguments behind
// args; values are those of the fixed columns. The words differ only with what
// bounds the span, its limit and the direction, so that databases keep the
// statement prepared.
//
// Fixed columns are bounded and sorted by as the others are: were they compared
// for equality, Postgres might read the list from an index without them, and look
// through all rows for the few of a rare value. There are no more bounds than
// needed, since Postgres keeps a plan for all arguments only where its guess of
// what they leave is no worse than planning anew, which takes longer than reading
// ten rows.
func (s Span) SQL(index Index, values, args []any) (string, []any) {
	names := append(slices.Clip(index.Fixed), index.Time, index.ID)
	key := "(" + strings.Join(names, ", ") + ")"
	marks := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	after, before, direction := s.After, s.Before, " DESC"
	if s.Backward {
		direction = ""
	}
	fixed := len(index.Fixed) > 0
	if after == nil && fixed && (index.Closed || !s.Backward) {
		after = latest
	}
	if before == nil && fixed && (index.Closed || s.Backward) {
		before = oldest
	}
	var b strings.Builder
	args = slices.Clip(args)
	if after != nil {
		b.WriteString(" AND " + key + " < " + marks)
		args = append(append(args, values...), after.At, after.ID)
	}
	if before != nil {
		b.WriteString(" AND " + key + " > " + marks)
		args = append(append(args, values...), before.At, before.ID)
	}
	limit := "?"
	if slices.Contains(limits, s.Limit) {
		limit = strconv.Itoa(s.Limit)
	} else {
		args = append(args, s.Limit)
	}
	b.WriteString(" ORDER BY " + strings.Join(names, direction+", ") + direction + " LIMIT " + limit)
	return b.String(), args
}

// Newest reads one page of a list that is sorted by a time and an id, the newest
// first, as Load does but with a statement written by hand: rows reads a Span,
// and key gives that of a row. name goes into the cursors, so that one of
// another list is refused.
func Newest[T any](args Args, name string, key func(T) Key, rows func(Span) ([]T, error), count func() (int, error)) (*Page[T], error) {
	size, backward, err := args.size()
	if err != nil {
		return nil, err
	}
	span := Span{Backward: backward, Limit: size + 1}
	if span.After, err = parseKey(name, args.After, "after"); err != nil {
		return nil, err
	}
	if span.Before, err = parseKey(name, args.Before, "before"); err != nil {
		return nil, err
	}
	found, err := rows(span)
	if err != nil {
		return nil, err
	}
	more := len(found) > size
	found = found[:min(size, len(found))]
	p := &Page[T]{Count: count, Edges: make([]Edge[T], len(found))}
	if backward {
		slices.Reverse(found)
		p.HasPrevious, p.HasNext = more, span.Before != nil
	} else {
		p.HasNext, p.HasPrevious = more, span.After != nil
	}
	for i, row := range found {
		p.Edges[i] = Edge[T]{Node: row, Cursor: key(row).cursor(name)}
	}
	return p, nil
}

const keyMark = "pn1."

// cursor gives the opaque form of a key, in microseconds.
func (p Key) cursor(name string) string {
	raw := make([]byte, 0, 96)
	raw = append(raw, keyMark...)
	raw = append(append(raw, name...), '.')
	raw = append(strconv.AppendInt(raw, p.At.UnixMicro(), 10), '.')
	raw = append(raw, p.ID...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseKey reads what cursor of the same list gave, and nothing else.
func parseKey(name string, s *string, argument string) (*Key, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // no cursor is a valid answer
	}
	bad := apperr.Argument(argument, "This is not a cursor of this list.")
	raw, err := base64.RawURLEncoding.DecodeString(*s)
	rest, ok := strings.CutPrefix(string(raw), keyMark+name+".")
	if err != nil || !ok {
		return nil, bad
	}
	micros, id, _ := strings.Cut(rest, ".")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		return nil, bad
	}
	p := &Key{At: time.UnixMicro(at).UTC(), ID: id}
	// Postgres keeps no NUL and nothing but UTF-8 in texts, and no time far from ours.
	if id == "" || p.cursor(name) != *s || strings.ToValidUTF8(id, "") != id || strings.ContainsRune(id, 0) ||
		p.At.Year() < 1 || p.At.Year() > 9999 {
		return nil, bad
	}
	return p, nil
}
