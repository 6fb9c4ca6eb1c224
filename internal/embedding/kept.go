package embedding

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"

	"parley/internal/jobspec"
)

// How long a vector is kept. It never gets old: what it is made of stands in its key.
const keepFor = 24 * time.Hour

// keyOf is where the vector of a text is kept. The text is somebody's and stands there as
// a hash only.
func keyOf(digest, normal string) string {
	sum := sha256.Sum256([]byte(normal))
	return "vector:" + digest + ":" + hex.EncodeToString(sum[:16])
}

// kept gives a vector that is kept. A cache that does not answer takes a quarter of the
// time at most.
func (c *Client) kept(ctx context.Context, m Model, key string) (Vector, bool) {
	ctx, end := context.WithTimeout(ctx, c.Deadline/4)
	defer end()
	data, ok, err := c.Cache.Get(ctx, key)
	if err != nil {
		slog.DebugContext(ctx, "a vector is not read from the cache", "error", err)
	}
	if err != nil || !ok {
		return Vector{}, false
	}
	values, err := jobspec.Vector(data).Values()
	if err != nil || len(values) != m.Dimensions {
		return Vector{}, false
	}
	return Vector{Model: m.Name, Digest: m.Digest, Values: values}, true
}

// keep keeps a vector. Without it the next one asks again.
func (c *Client) keep(ctx context.Context, key string, v Vector) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), c.Deadline/4)
	defer end()
	if err := c.Cache.Put(ctx, key, 0, jobspec.NewVector(v.Values), keepFor); err != nil {
		slog.DebugContext(ctx, "a vector is not kept in the cache", "error", err)
	}
}
