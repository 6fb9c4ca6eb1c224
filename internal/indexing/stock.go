package indexing

import (
	"context"
	"fmt"
	"iter"
	"log/slog"

	"parley/internal/vector"
)

// rowsAtOnce is how many vectors are read from the database together.
const rowsAtOnce = 1000

// stock reads what a shelf is to hold, some rows at a time. An error is the last.
func (s *Service) stock(ctx context.Context, g *Generation, place shelf) iter.Seq2[[]vector.Row, error] {
	return func(yield func([]vector.Row, error) bool) {
		source, err := s.source(place.source)
		if err != nil {
			yield(nil, err)
			return
		}
		for after, more := "", true; more; {
			found, err := s.storedAfter(ctx, g.ID, place.source, place.side, after, rowsAtOnce)
			if err != nil {
				yield(nil, err)
				return
			}
			if more = len(found) == rowsAtOnce; len(found) == 0 {
				return
			}
			ids := make([]string, len(found))
			for i, v := range found {
				ids[i] = v.object
			}
			after = ids[len(ids)-1]
			items, err := source.ByID(ctx, ids)
			if err != nil {
				yield(nil, fmt.Errorf("read what has vectors: %w", err))
				return
			}
			if !yield(g.rows(found, place.side, items), nil) {
				return
			}
		}
	}
}

// rows gives what a shelf is to hold of vectors: those of objects that are there, of its
// index and side.
func (g *Generation) rows(found []stored, side Side, items map[string]Item) []vector.Row {
	var rows []vector.Row
	for _, v := range found {
		item, there := items[v.object]
		if v.index != g.ID || v.side != side || !there || !item.has(side) {
			continue
		}
		values, err := v.vector.Values()
		r := vector.Row{ID: v.object, Vector: values, Labels: item.Labels}
		if err == nil {
			err = r.Check(g.Dimensions)
		}
		if err != nil {
			slog.Error("a vector can't be searched", "index", g.ID, "object", v.object, "error", err)
			continue
		}
		rows = append(rows, r)
	}
	return rows
}
