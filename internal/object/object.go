// Package object says how a domain's objects are found by their global ids.
package object

import (
	"context"

	"parley/ent/gen"
	"parley/internal/store"
)

// Kind is a kind of object with global ids, as its domain announces it.
type Kind struct {
	// Prefix begins the ids, for example "note"; see store.NewID.
	Prefix string
	// Load reads objects as the viewer of ctx may see them, one result for each id,
	// in their order. What is not there, or not for the viewer, is NOT_FOUND.
	Load func(ctx context.Context, ids []string) []Result
	// Fresh reads one object past every cache; events come with it.
	Fresh func(ctx context.Context, id string) (any, error)
	// Owner gives the id of the account that an object belongs to. It is needed
	// where events come with the object: nobody else but admins is given it then.
	Owner func(object any) string
}

// Result is what was found for one id.
type Result struct {
	Object any
	Err    error
}

// Many makes the Kind of objects that are found by the dozen. byID gives those
// that the viewer may see; noun is what they are called in NOT_FOUND.
func Many[T any](prefix, noun string, byID func(ctx context.Context, ids []string) (map[string]*T, error)) Kind {
	return Kind{Prefix: prefix, Load: func(ctx context.Context, ids []string) []Result {
		found, err := byID(ctx, ids)
		results := make([]Result, len(ids))
		for i, id := range ids {
			switch object := found[id]; {
			case err != nil:
				results[i].Err = err
			case object == nil:
				results[i].Err = store.Found(&gen.NotFoundError{}, noun)
			default:
				results[i].Object = object
			}
		}
		return results
	}}
}

// One makes the Kind of objects that are looked for one by one.
func One[T any](prefix string, get func(ctx context.Context, id string) (*T, error)) Kind {
	return Kind{Prefix: prefix, Load: func(ctx context.Context, ids []string) []Result {
		results := make([]Result, len(ids))
		for i, id := range ids {
			object, err := get(ctx, id)
			if err == nil && object != nil { // a nil pointer must not become an interface that is none
				results[i].Object = object
			}
			results[i].Err = err
		}
		return results
	}}
}

// Owned gives a Kind whose objects events come with: fresh reads one past every
// cache, and owner tells whose it is.
func Owned[T any](k Kind, fresh func(ctx context.Context, id string) (*T, error), owner func(*T) string) Kind {
	k.Fresh = func(ctx context.Context, id string) (any, error) {
		object, err := fresh(ctx, id)
		if err != nil {
			return nil, err
		}
		return object, nil
	}
	k.Owner = func(object any) string {
		if o, ok := object.(*T); ok && o != nil {
			return owner(o)
		}
		return ""
	}
	return k
}
