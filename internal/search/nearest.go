package search

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"parley/internal/indexing"
	"parley/internal/vector"
)

// maxNearest is how long a search waits for the vectors that are near, where they are in a
// database, before it goes on with words alone.
const maxNearest = 2 * time.Second

// nearest gives what is nearest to some vectors in the index of a target. They are ways to
// say the same: the higher cosine counts. K and the filter are those of q. Where the index
// can't be searched the target is degraded; an error says that nobody waits any more.
func (t *target) nearest(ctx context.Context, source string, side indexing.Side, vectors [][]float32, q vector.Query) ([]vector.Hit, error) {
	limited, cancel := context.WithTimeout(ctx, maxNearest)
	defer cancel()
	var all []vector.Hit
	for _, v := range vectors {
		q.Vector = v
		hits, err := t.generation.Search(limited, source, side, q)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			slog.WarnContext(ctx, "vectors could not be searched, words alone answer", "source", source, "index", t.generation.ID, "error", err)
			t.degraded = true
			return nil, nil
		}
		all = append(all, hits...)
	}
	if len(vectors) == 1 {
		return all, nil
	}
	slices.SortFunc(all, func(a, b vector.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.ID, b.ID))
	})
	seen := make(map[string]bool, len(all))
	all = slices.DeleteFunc(all, func(h vector.Hit) bool {
		twice := seen[h.ID]
		seen[h.ID] = true
		return twice
	})
	return all[:min(len(all), q.K)], nil
}
