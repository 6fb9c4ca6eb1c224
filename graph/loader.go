package graph

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/graph-gophers/dataloader/v7"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/object"
	"parley/internal/page"
	"parley/internal/store"
)

// loaders join the look-ups of one response, so that a list costs one query
// per field and not one per item. Each is made when it is first used: a
// subscription that waits for its next event has none.
type loaders struct {
	*Resolver
	mu sync.Mutex
	// objects are by the prefix of the ids, fields by the schema's name of the field.
	objects map[string]*dataloader.Loader[string, any]
	fields  map[string]any
	// texts counts the bytes of texts in the answer.
	texts atomic.Int64
}

// gather is how long a loader waits for more keys.
const gather = time.Millisecond

type loadersKey struct{}

// Loaders gives every response its own loaders: one that outlived a response
// would show a subscription old rows.
func (r *Resolver) Loaders(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	return next(context.WithValue(ctx, loadersKey{}, &loaders{Resolver: r}))
}

func loadersFrom(ctx context.Context) *loaders {
	l, _ := ctx.Value(loadersKey{}).(*loaders)
	return l
}

// object begins to look for an object by its id, which begins with the prefix,
// and gives what waits for it; known is false when there are no such objects.
func (l *loaders) object(ctx context.Context, prefix, id string) (wait dataloader.Thunk[any], known bool) {
	kind, known := l.Domains.Object(prefix)
	if !known {
		return nil, false
	}
	l.mu.Lock()
	loader := l.objects[prefix]
	if loader == nil {
		loader = dataloader.NewBatchedLoader(objects(kind), dataloader.WithWait[string, any](gather))
		if l.objects == nil {
			l.objects = map[string]*dataloader.Loader[string, any]{}
		}
		l.objects[prefix] = loader
	}
	l.mu.Unlock()
	return loader.Load(ctx, id), true
}

func objects(kind object.Kind) dataloader.BatchFunc[string, any] {
	return func(ctx context.Context, ids []string) []*dataloader.Result[any] {
		results := make([]*dataloader.Result[any], len(ids))
		for i, r := range kind.Load(ctx, ids) {
			results[i] = &dataloader.Result[any]{Data: r.Object, Error: r.Err}
		}
		return results
	}
}

// load gives the object with an id, which must be of the type T. What is not
// there, or not for the viewer, is NOT_FOUND.
func load[T any](ctx context.Context, id string) (*T, error) {
	return begin[T](ctx, id)()
}

// begin is load without waiting, which what it gives does.
func begin[T any](ctx context.Context, id string) func() (*T, error) {
	prefix, _ := store.Prefix(id)
	wait, known := loadersFrom(ctx).object(ctx, prefix, id)
	if !known {
		return func() (*T, error) { return nil, fmt.Errorf("nothing loads %q", id) }
	}
	return func() (*T, error) {
		found, err := wait()
		if err != nil {
			return nil, err
		}
		t, ok := found.(*T)
		if !ok {
			return nil, fmt.Errorf("%q is a %T", id, found)
		}
		return t, nil
	}
}

// loadAll is load for several objects at once, in the order of their ids; those that are
// not there are left out.
func loadAll[T any](ctx context.Context, ids []string) ([]*T, error) {
	waits := make([]func() (*T, error), len(ids))
	for i, id := range ids {
		waits[i] = begin[T](ctx, id)
	}
	all := make([]*T, 0, len(ids))
	for _, wait := range waits {
		one, err := visible(wait())
		if err != nil {
			return nil, err
		}
		if one != nil {
			all = append(all, one)
		}
	}
	return all, nil
}

// joined gives the value of a field, which find looks up for many of its objects
// at once, by their ids; what it does not find is the zero value. field is the
// schema's name of it, with what else find depends on.
func joined[K comparable, V any](ctx context.Context, field string, key K, id func(K) string, find func(context.Context, []K) (map[string]V, error)) (V, error) {
	l := loadersFrom(ctx)
	l.mu.Lock()
	loader, _ := l.fields[field].(*dataloader.Loader[K, V])
	if loader == nil {
		loader = dataloader.NewBatchedLoader(batch(find, id), dataloader.WithWait[K, V](gather))
		if l.fields == nil {
			l.fields = map[string]any{}
		}
		l.fields[field] = loader
	}
	l.mu.Unlock()
	return loader.Load(ctx, key)()
}

// maxTexts bounds the texts of one answer, in bytes. Aliases can ask for the same
// texts again and again, which costs the database little and memory a lot.
const maxTexts = 32 << 20

// spend counts texts that go into the answer.
func (l *loaders) spend(bytes int) error {
	if l.texts.Add(int64(bytes)) > maxTexts {
		return apperr.New(apperr.TooLarge, "The texts of this answer have more than %d MiB: ask for less at a time.", maxTexts>>20)
	}
	return nil
}

// texts counts the texts of rows and passes rows and error on.
func texts[T any](ctx context.Context, rows []T, err error, size func(T) int) ([]T, error) {
	if err != nil {
		return nil, err
	}
	total := 0
	for _, r := range rows {
		total += size(r)
	}
	return rows, loadersFrom(ctx).spend(total)
}

// spendPage counts the texts of a page and passes an error on.
func spendPage[T any](ctx context.Context, p *page.Page[T], err error, size func(T) int) error {
	if err != nil {
		return err
	}
	total := 0
	for _, e := range p.Edges {
		total += size(e.Node)
	}
	return loadersFrom(ctx).spend(total)
}

func itself(id string) string   { return id }
func idOfJob(j *gen.Job) string { return j.ID }

// batch makes a loader's function of one that gives what it found by id; what
// it did not find is the zero value.
func batch[K comparable, V any](find func(context.Context, []K) (map[string]V, error), id func(K) string) dataloader.BatchFunc[K, V] {
	return func(ctx context.Context, keys []K) []*dataloader.Result[V] {
		found, err := find(ctx, keys)
		results := make([]*dataloader.Result[V], len(keys))
		for i, k := range keys {
			results[i] = &dataloader.Result[V]{Data: found[id(k)], Error: err}
		}
		return results
	}
}
