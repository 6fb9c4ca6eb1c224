package querytext

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"
	"unicode/utf8"

	"parley/internal/jobspec"
)

// How long a translation is kept. It never gets old: what it is made of stands in its key.
const keepFor = 24 * time.Hour

// keyOf is where a translation is kept. The text is somebody's and stands there as a hash
// only.
func keyOf(w way, normal string) string {
	sum := sha256.Sum256([]byte(normal))
	return "translation:" + w.model + ":" + w.source + ":" + w.target + ":" + hex.EncodeToString(sum[:16])
}

// kept gives a translation that is kept. A cache that does not answer takes a quarter of
// the time at most.
func (c *Client) kept(ctx context.Context, key string) (string, bool) {
	ctx, end := context.WithTimeout(ctx, c.Deadline/4)
	defer end()
	data, ok, err := c.Cache.Get(ctx, key)
	if err != nil {
		slog.DebugContext(ctx, "a translation is not read from the cache", "error", err)
	}
	if err != nil || !ok || len(data) == 0 || len(data) > jobspec.MaxQueryText || !utf8.Valid(data) {
		return "", false
	}
	return string(data), true
}

// keep keeps a translation. Without it the next one asks again.
func (c *Client) keep(ctx context.Context, key, text string) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), c.Deadline/4)
	defer end()
	if err := c.Cache.Put(ctx, key, 0, []byte(text), keepFor); err != nil {
		slog.DebugContext(ctx, "a translation is not kept in the cache", "error", err)
	}
}
