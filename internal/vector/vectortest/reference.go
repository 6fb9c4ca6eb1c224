package vectortest

import (
	"math"
	"slices"

	"parley/internal/vector"
)

// Reference answers by comparing with every row, as a definition of what an
// Index gives. It is not safe for concurrent use.
type Reference struct {
	rows map[string]vector.Row
	unit map[string][]float32
}

// NewReference makes an empty one.
func NewReference() *Reference {
	return &Reference{rows: map[string]vector.Row{}, unit: map[string][]float32{}}
}

// Put adds or replaces rows.
func (r *Reference) Put(rows ...vector.Row) {
	for _, row := range rows {
		r.rows[row.ID], r.unit[row.ID] = row, Unit(row.Vector)
	}
}

// Delete removes rows.
func (r *Reference) Delete(ids ...string) {
	for _, id := range ids {
		delete(r.rows, id)
		delete(r.unit, id)
	}
}

// Len is the number of rows.
func (r *Reference) Len() int { return len(r.rows) }

// Rows gives all rows by their ids.
func (r *Reference) Rows() []vector.Row {
	rows := make([]vector.Row, 0, len(r.rows))
	for _, row := range r.rows {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b vector.Row) int { return compare(a.ID, b.ID) })
	return rows
}

// Search is that of an Index for a query that is right.
func (r *Reference) Search(q vector.Query) []vector.Hit {
	query, hits := Unit(q.Vector), []vector.Hit{}
	for id, row := range r.rows {
		h := vector.Hit{ID: id, Score: dot(query, r.unit[id])}
		switch {
		case q.MinScore != nil && h.Score < *q.MinScore:
		case q.After != nil && !q.After.Before(h):
		case !kept(q.Filter, row.Labels):
		default:
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, func(a, b vector.Hit) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	return hits[:min(len(hits), q.K)]
}

func kept(f vector.Filter, labels []string) bool {
	for _, clause := range f {
		if !slices.ContainsFunc(clause, func(l string) bool { return slices.Contains(labels, l) }) {
			return false
		}
	}
	return true
}

// Unit is a vector of length 1 in float32.
func Unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	unit := make([]float32, len(v))
	for i, x := range v {
		unit[i] = float32(float64(x) / math.Sqrt(sum))
	}
	return unit
}

func dot(v, w []float32) float64 {
	sum := 0.0
	for i := range v {
		sum += float64(v[i]) * float64(w[i])
	}
	return max(-1, min(1, sum))
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}
