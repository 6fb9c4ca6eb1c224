package feed

import (
	"context"
	"fmt"

	entsql "entgo.io/ent/dialect/sql"

	"parley/ent/gen"
	"parley/ent/gen/block"
	"parley/ent/gen/follow"
	"parley/ent/gen/predicate"
	"parley/internal/auth"
	"parley/internal/page"
)

// The lists of those with whom the viewer has something to do, the latest first.

// Following gives a page of those whom the viewer follows.
func (s *Service) Following(ctx context.Context, args page.Args) (*page.Page[*Profile], error) {
	return s.follows(ctx, args, "FOLLOWING", follow.FieldFollowerID, follow.FieldFolloweeID, func(f *gen.Follow) string { return f.FolloweeID })
}

// Followers gives a page of those who follow the viewer.
func (s *Service) Followers(ctx context.Context, args page.Args) (*page.Page[*Profile], error) {
	return s.follows(ctx, args, "FOLLOWERS", follow.FieldFolloweeID, follow.FieldFollowerID, func(f *gen.Follow) string { return f.FollowerID })
}

func (s *Service) follows(ctx context.Context, args page.Args, name, mine, other string, id func(*gen.Follow) string) (*page.Page[*Profile], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	order := page.Order[*gen.Follow]{
		Name: name, Column: follow.FieldCreatedAt, Descending: true, Key: func(f *gen.Follow) (any, string) { return f.CreatedAt, id(f) },
		Tie: &page.Tie[*gen.Follow]{Column: other, Descending: true, Key: func(f *gen.Follow) any { return id(f) }},
	}
	own := predicate.Follow(entsql.FieldEQ(mine, viewer.ID))
	system := asSystem(ctx)
	found, err := page.Load(args, order,
		func(c page.Cut, limit int) ([]*gen.Follow, error) {
			rows, err := s.store.Client(ctx).Follow.Query().Where(own, predicate.Follow(c.Where)).Order(follow.OrderOption(c.Order)).Limit(limit).All(system)
			if err != nil {
				return nil, fmt.Errorf("list follows: %w", err)
			}
			return rows, nil
		},
		func() (int, error) { return s.store.Client(ctx).Follow.Query().Where(own).Count(system) },
	)
	return profiled(ctx, s, found, err, id)
}

// BlockedUsers gives a page of those whom the viewer blocked.
func (s *Service) BlockedUsers(ctx context.Context, args page.Args) (*page.Page[*Profile], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	id := func(b *gen.Block) string { return b.BlockedID }
	order := page.Order[*gen.Block]{
		Name: "BLOCKED", Column: block.FieldCreatedAt, Descending: true, Key: func(b *gen.Block) (any, string) { return b.CreatedAt, id(b) },
		Tie: &page.Tie[*gen.Block]{Column: block.FieldBlockedID, Descending: true, Key: func(b *gen.Block) any { return id(b) }},
	}
	system := asSystem(ctx)
	found, err := page.Load(args, order,
		func(c page.Cut, limit int) ([]*gen.Block, error) {
			rows, err := s.store.Client(ctx).Block.Query().Where(block.BlockerID(viewer.ID), predicate.Block(c.Where)).Order(block.OrderOption(c.Order)).Limit(limit).All(system)
			if err != nil {
				return nil, fmt.Errorf("list blocks: %w", err)
			}
			return rows, nil
		},
		func() (int, error) {
			return s.store.Client(ctx).Block.Query().Where(block.BlockerID(viewer.ID)).Count(system)
		},
	)
	return profiled(ctx, s, found, err, id)
}

// profiled makes a page of profiles of one of rows, and passes an error on.
func profiled[T any](ctx context.Context, s *Service, p *page.Page[T], err error, id func(T) string) (*page.Page[*Profile], error) {
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(p.Edges))
	for i, e := range p.Edges {
		ids[i] = id(e.Node)
	}
	found, err := s.Profiles(ctx, ids)
	if err != nil {
		return nil, err
	}
	all := &page.Page[*Profile]{HasNext: p.HasNext, HasPrevious: p.HasPrevious, Count: p.Count, Edges: make([]page.Edge[*Profile], len(ids))}
	for i, e := range p.Edges {
		all.Edges[i] = page.Edge[*Profile]{Node: found[ids[i]], Cursor: e.Cursor}
	}
	return all, nil
}
