package graph

import (
	"context"

	"parley/graph/node"
	"parley/internal/apperr"
	"parley/internal/page"
	"parley/internal/store"
)

// node gives the object with an id, whatever its kind, or nil when the viewer
// sees none.
func (r *Resolver) node(ctx context.Context, id string) (node.Node, error) {
	prefix, ok := store.Prefix(id)
	if !ok {
		return nil, store.CheckID("", id, "id")
	}
	var found node.Node
	var err error
	switch prefix {
	case "user":
		found, err = r.AccountService.Get(ctx, id)
	case "note":
		found, err = r.NoteService.Get(ctx, id)
	case "tr":
		found, err = r.NoteService.Translation(ctx, id)
	case "job":
		found, err = r.JobService.Get(ctx, id)
	default:
		return nil, nil
	}
	if apperr.Is(err, apperr.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (r *Resolver) nodes(ctx context.Context, ids []string) ([]node.Node, error) {
	if len(ids) > page.Most {
		return nil, apperr.Argument("ids", "At most %d ids at a time.", page.Most)
	}
	found := make([]node.Node, len(ids))
	for i, id := range ids {
		n, err := r.node(ctx, id)
		if err != nil {
			return nil, err
		}
		found[i] = n
	}
	return found, nil
}
