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

// maxNearest is how long a search waits for vectors in all, where they are in a database,
// before it goes on with words alone.
const maxNearest = 2 * time.Second

// limited gives the context for what is asked of a generation.
func (t *target) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.until.IsZero() {
		t.until = time.Now().Add(maxNearest)
	}
	return context.WithDeadline(ctx, t.until)
}

// missed notes that a generation does not answer: no more is asked of it.
func (t *target) missed(ctx context.Context, g *indexing.Generation, err error) {
	slog.WarnContext(ctx, "vectors could not be searched, words alone answer", "index", g.ID, "error", err)
	t.away, t.degraded = true, true
}

// vector gives the vector of a side of a sticker, false where there is none or the
// generation does not answer.
func (t *target) vector(ctx context.Context, g *indexing.Generation, side indexing.Side, id string) ([]float32, bool) {
	if t.away {
		return nil, false
	}
	limited, cancel := t.limited(ctx)
	defer cancel()
	v, ok, err := g.Vector(limited, SourceStickers, side, id)
	if err != nil {
		t.missed(ctx, g, err)
	}
	return v, ok && err == nil
}

// nearest gives what is nearest to some vectors in the index of a target. They are ways to
// say the same: the higher cosine counts. K and the filter are those of q. Where the index
// can't be searched the target is degraded; an error says that nobody waits any more.
func (t *target) nearest(ctx context.Context, source string, side indexing.Side, vectors [][]float32, q vector.Query) ([]vector.Hit, error) {
	if t.away {
		return nil, nil
	}
	limited, cancel := t.limited(ctx)
	defer cancel()
	var all []vector.Hit
	for _, v := range vectors {
		q.Vector = v
		hits, err := t.generation.Search(limited, source, side, q)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			t.missed(ctx, t.generation, err)
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
