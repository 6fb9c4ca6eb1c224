package cache

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/singleflight"
)

// Answers keeps what is asked of others while somebody waits, and lets all who ask the same
// at the same time share a request. What an answer is made of stands in its key, so that it
// never gets old. It may be used by many goroutines at once, and is not copied.
type Answers[T any] struct {
	Cache Cache
	// Deadline is how long a request may take. A cache that does not answer takes a
	// quarter of it at most.
	Deadline time.Duration
	// KeepFor is how long an answer is kept.
	KeepFor time.Duration
	// Late is the error of a request whose time was up.
	Late error
	// Encode gives the form in which an answer is kept.
	Encode func(T) []byte

	flights singleflight.Group
}

// Kept gives the answer of a key where it is kept. decode reads its form, and is false for
// what is none.
func (a *Answers[T]) Kept(ctx context.Context, key string, decode func([]byte) (T, bool)) (answer T, ok bool) {
	ctx, end := context.WithTimeout(ctx, a.Deadline/4)
	defer end()
	data, ok, err := a.Cache.Get(ctx, key)
	if err != nil {
		slog.DebugContext(ctx, "an answer is not read from the cache", "error", err)
	}
	if err != nil || !ok {
		return answer, false
	}
	return decode(data)
}

// Ask gives the answer of a key, kept or asked for. The request is everybody's: it has the
// whole Deadline and goes on when the caller that began it leaves, and who came when its
// time was nearly up asks again. It fails with the error of ask, or with that of ctx as it
// is.
func (a *Answers[T]) Ask(ctx context.Context, key string, decode func([]byte) (T, bool), ask func(ctx context.Context) (T, error)) (answer T, err error) {
	for {
		flight := a.flights.DoChan(key, func() (any, error) {
			ctx, end := context.WithTimeout(context.WithoutCancel(ctx), a.Deadline)
			defer end()
			// The one before may have ended since the caller looked.
			if answer, ok := a.Kept(ctx, key, decode); ok {
				return answer, nil
			}
			answer, err := ask(ctx)
			if err == nil {
				a.keep(ctx, key, answer)
			}
			return answer, err
		})
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case r := <-flight:
			if r.Err != nil && errors.Is(r.Err, a.Late) && ctx.Err() == nil {
				continue
			}
			answer, _ = r.Val.(T)
			return answer, r.Err
		}
	}
}

// keep keeps an answer. Without it the next one asks again.
func (a *Answers[T]) keep(ctx context.Context, key string, answer T) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), a.Deadline/4)
	defer end()
	if err := a.Cache.Put(ctx, key, 0, a.Encode(answer), a.KeepFor); err != nil {
		slog.DebugContext(ctx, "an answer is not kept in the cache", "error", err)
	}
}
