package live

import (
	"context"
	"strconv"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

// Loader loads the object of an event once per process, however many
// subscribers want it. Each subscriber still checks its own viewer.
type Loader[T any] struct {
	load   func(ctx context.Context, id string) (T, error)
	loaded *lru.Cache[string, T]
	flight singleflight.Group
}

// NewLoader makes a Loader that remembers the last so many objects: those that
// subscribers ask for at about the same time. load gets a context of the system.
func NewLoader[T any](remembered int, load func(ctx context.Context, id string) (T, error)) (*Loader[T], error) {
	loaded, err := lru.New[string, T](remembered)
	if err != nil {
		return nil, err
	}
	return &Loader[T]{load: load, loaded: loaded}, nil
}

// Get gives the object at that version or a later one.
func (l *Loader[T]) Get(ctx context.Context, id string, version int64) (T, error) {
	key := id + "@" + strconv.FormatInt(version, 10)
	if v, ok := l.loaded.Get(key); ok {
		return v, nil
	}
	// One reader's end must not fail the others.
	ctx = context.WithoutCancel(ctx)
	v, err, _ := l.flight.Do(key, func() (any, error) {
		v, err := l.load(ctx, id)
		if err == nil {
			l.loaded.Add(key, v)
		}
		return v, err
	})
	t, _ := v.(T)
	return t, err
}
