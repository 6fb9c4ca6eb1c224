package search

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"parley/internal/indexing"
	"parley/internal/vector"
)

// nearest gives what is nearest to some vectors, which are two ways to say the same: the
// higher cosine counts. K and the filter are those of q.
func nearest(ctx context.Context, g *indexing.Generation, source string, side indexing.Side, vectors [][]float32, q vector.Query) ([]vector.Hit, error) {
	var all []vector.Hit
	for _, v := range vectors {
		q.Vector = v
		hits, err := g.Search(ctx, source, side, q)
		if err != nil {
			return nil, err
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
