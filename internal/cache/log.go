package cache

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/redis/go-redis/v9"
)

// clientLog takes go-redis's own lines, which would go to standard error in a
// form of their own. What they tell also comes as an error of a call.
type clientLog struct{}

// Printf logs a line of the client's.
func (clientLog) Printf(ctx context.Context, format string, v ...any) {
	slog.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
}

// useLog is for the whole process, as go-redis's logger is.
var useLog = sync.OnceFunc(func() { redis.SetLogger(clientLog{}) })
