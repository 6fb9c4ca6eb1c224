package graph

import (
	"context"
	"errors"

	"parley/ent/gen/privacy"
	"parley/graph/node"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// node gives the object with an id, whatever its kind, or nil when the viewer
// sees none.
func (r *Resolver) node(ctx context.Context, id string) (node.Node, error) {
	found, err := r.find(ctx, id, "id")()
	if hidden(ctx, err) {
		return nil, nil
	}
	return found, err
}

// hidden tells that the viewer may not see an object, or that there is none: to
// node and nodes that is the same.
func hidden(ctx context.Context, err error) bool {
	if apperr.Is(err, apperr.NotFound) {
		return true
	}
	v, _ := auth.From(ctx)
	return v.Key != "" && (apperr.Is(err, apperr.Forbidden) || errors.Is(err, privacy.Deny))
}

// nodes starts all look-ups before it waits for the first, so that the loaders
// join them.
func (r *Resolver) nodes(ctx context.Context, ids []string) ([]node.Node, error) {
	if len(ids) > page.Most {
		return nil, apperr.Argument("ids", "At most %d ids at a time.", page.Most)
	}
	pending := make([]func() (node.Node, error), len(ids))
	for i, id := range ids {
		pending[i] = r.find(ctx, id, "ids")
	}
	found := make([]node.Node, len(ids))
	for i, wait := range pending {
		n, err := wait()
		if err != nil && !hidden(ctx, err) {
			return nil, err
		}
		found[i] = n
	}
	return found, nil
}

// find begins to look for an object and gives the function that waits for it.
func (r *Resolver) find(ctx context.Context, id, argument string) func() (node.Node, error) {
	if _, err := auth.RequireAny(ctx); err != nil {
		return failed(err)
	}
	prefix, ok := store.Prefix(id)
	if !ok {
		return failed(store.CheckID("", id, argument))
	}
	wait, known := loadersFrom(ctx).object(ctx, prefix, id)
	if !known {
		return failed(nil)
	}
	return func() (node.Node, error) { return wait() }
}

func failed(err error) func() (node.Node, error) {
	return func() (node.Node, error) { return nil, err }
}
