package search

import (
	"context"
	"log/slog"
	"time"

	"parley/internal/indexing"
	"parley/internal/vector"
)

// maxNearest is how long a search waits for the vectors that are near, where they are in a
// database, before it goes on with words alone.
const maxNearest = 2 * time.Second

// nearest gives what is near in the index of a target. Where that can't be searched the
// target is degraded; an error says that nobody waits any more.
func (t *target) nearest(ctx context.Context, source string, side indexing.Side, q vector.Query) ([]vector.Hit, error) {
	limited, cancel := context.WithTimeout(ctx, maxNearest)
	defer cancel()
	hits, err := t.generation.Search(limited, source, side, q)
	if err == nil || ctx.Err() != nil {
		return hits, ctx.Err()
	}
	slog.WarnContext(ctx, "vectors could not be searched, words alone answer", "source", source, "index", t.generation.ID, "error", err)
	t.degraded = true
	return nil, nil
}
