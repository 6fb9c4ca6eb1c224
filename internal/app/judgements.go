package app

import (
	"context"

	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/page"
)

// usedQueries gives queries that are asked often, for the report on another model.
func (p *parts) usedQueries(ctx context.Context, limit int) (texts []string, err error) {
	ctx = auth.System(ctx, "app.judgements")
	var after *string
	for len(texts) < limit {
		size := min(page.Most, limit-len(texts))
		some, err := p.feedback.Queries(ctx, feedback.QueryFilter{}, feedback.ByUsage, page.Args{First: &size, After: after})
		if err != nil {
			return nil, err
		}
		for _, e := range some.Edges {
			texts, after = append(texts, e.Node.Text), &e.Cursor
		}
		if !some.HasNext {
			break
		}
	}
	return texts, nil
}

// judgements gives what most people said of public stickers.
func (p *parts) judgements(ctx context.Context, limit int) ([]indexing.Judged, error) {
	list, err := p.feedback.Judgements(auth.System(ctx, "app.judgements"), "", limit)
	if err != nil {
		return nil, err
	}
	all := make([]indexing.Judged, 0, len(list))
	for _, j := range list {
		one := indexing.Judged{Query: j.Query}
		for _, s := range j.Scores {
			switch {
			case s.Owner != "":
			case s.Positives > s.Negatives:
				one.Good = append(one.Good, s.StickerID)
			case s.Negatives > s.Positives:
				one.Bad = append(one.Bad, s.StickerID)
			}
		}
		if len(one.Good) > 0 {
			all = append(all, one)
		}
	}
	return all, nil
}
