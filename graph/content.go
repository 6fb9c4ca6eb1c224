package graph

import (
	"context"

	"parley/ent/gen"
	"parley/internal/content"
)

func contentFilter(in *content.Filter) content.Filter {
	if in == nil {
		return content.Filter{}
	}
	return *in
}

// picture gives that of a part, nil where it has none or its owner deleted it.
func picture(ctx context.Context, p *gen.ContentPart) (*gen.Media, error) {
	if p.MediaID == nil {
		return nil, nil //nolint:nilnil // null is the field's answer
	}
	return visible(load[gen.Media](ctx, *p.MediaID))
}

// jobsOf gives the jobs of a request's parts that are still there, in their order.
func jobsOf(ctx context.Context, r *gen.ContentRequest) ([]*gen.Job, error) {
	ids := make([]string, len(r.Edges.Parts))
	for i, p := range r.Edges.Parts {
		ids[i] = p.JobID
	}
	return loadAll[gen.Job](ctx, ids)
}
