package live

import (
	"context"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

// Loader loads the object of an event once per process, however many
// subscribers want it. Each subscriber still checks its own viewer.
type Loader[T any] struct {
	load   func(ctx context.Context, id string) (T, error)
	loaded *lru.Cache[string, loaded[T]]
	flight singleflight.Group
}

// loaded is an object as it was a moment ago. It is not kept for longer: it may
// have been deleted since, and a replay must not show it.
type loaded[T any] struct {
	object T
	at     time.Time
}

// remembered is how long subscribers share an object.
const remembered = 5 * time.Second

// NewLoader makes a Loader that remembers the last so many objects: those that
// subscribers ask for at about the same time. load gets a context of the system.
func NewLoader[T any](most int, load func(ctx context.Context, id string) (T, error)) (*Loader[T], error) {
	kept, err := lru.New[string, loaded[T]](most)
	if err != nil {
		return nil, err
	}
	return &Loader[T]{load: load, loaded: kept}, nil
}

// Get gives the object at that version or a later one.
func (l *Loader[T]) Get(ctx context.Context, id string, version int64) (T, error) {
	key := id + "@" + strconv.FormatInt(version, 10)
	if v, ok := l.loaded.Get(key); ok && time.Since(v.at) < remembered {
		return v.object, nil
	}
	// One reader's end must not fail the others.
	ctx = context.WithoutCancel(ctx)
	v, err, _ := l.flight.Do(key, func() (any, error) {
		v, err := l.load(ctx, id)
		if err == nil {
			l.loaded.Add(key, loaded[T]{v, time.Now()})
		}
		return v, err
	})
	t, _ := v.(T)
	return t, err
}
