package feed

import (
	"context"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
)

// Home is a page of a feed.
type Home struct {
	*page.Page[*gen.Post]
	// Gap is what lies between the page and the place that was given for its other end,
	// nil where nothing does.
	Gap *Gap
	// SeenUntil is up to which time the feed counts as seen, nil for nothing.
	SeenUntil *time.Time
	// NewPosts counts the posts that are newer than that, and UnseenOlder those that are
	// not and came into the feed since it was said.
	NewPosts, UnseenOlder func() (int, error)
}

// Gap is what of a feed lies between two places and on no page.
type Gap struct {
	// Newer and Older are the places next to it.
	Newer, Older string
	count        func() (int, error)
}

// Count tells how many posts are missing.
func (g *Gap) Count() (int, error) { return g.count() }

// HomeArgs say which page of a feed.
type HomeArgs struct {
	page.Args
	// SeenUntil is how far the feed counts as seen in this call, nil for what MarkSeen was
	// told.
	SeenUntil *time.Time
}

// Home gives a page of the viewer's feed: the posts of those whom the viewer follows and the
// viewer's own, the newest first.
func (s *Service) Home(ctx context.Context, args HomeArgs) (*Home, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	m := mark{until: args.SeenUntil}
	if m.until == nil {
		if m, err = s.markOf(ctx, viewer.ID); err != nil {
			return nil, err
		}
	} else if y := m.until.UTC().Year(); y < 1 || y > 9999 {
		return nil, apperr.Argument("seenUntil", "This is not a time of ours.")
	}
	h := &Home{SeenUntil: m.until}
	var asked page.Span
	h.Page, err = page.Newest(args.Args, "feed", keyOf, func(span page.Span) ([]*gen.Post, error) {
		asked = span
		return s.read(ctx, viewer.ID, span)
	}, nil)
	if err != nil {
		return nil, err
	}
	h.Gap = s.gap(ctx, viewer.ID, h.Page, args.Args, asked)
	h.NewPosts = func() (int, error) { return s.newer(ctx, viewer.ID, m) }
	h.UnseenOlder = func() (int, error) { return s.unseenOlder(ctx, viewer.ID, m) }
	return h, nil
}

// gap gives what lies between a page and the place that bounds it at its other end.
func (s *Service) gap(ctx context.Context, viewer string, p *page.Page[*gen.Post], args page.Args, asked page.Span) *Gap {
	if args.After == nil || args.Before == nil || !asked.Backward && !p.HasNext || asked.Backward && !p.HasPrevious {
		return nil
	}
	g := &Gap{Newer: *args.After, Older: *args.Before}
	rest := page.Span{After: asked.After, Before: asked.Before}
	if n := len(p.Edges); n > 0 && asked.Backward {
		first := keyOf(p.Edges[0].Node)
		g.Older, rest.Before = p.Edges[0].Cursor, &first
	} else if n > 0 {
		last := keyOf(p.Edges[n-1].Node)
		g.Newer, rest.After = p.Edges[n-1].Cursor, &last
	}
	g.count = func() (int, error) { return s.count(ctx, viewer, rest) }
	return g
}

// newer counts the posts of a feed that are newer than its mark.
func (s *Service) newer(ctx context.Context, viewer string, m mark) (int, error) {
	span := page.Span{}
	if m.until != nil {
		span.Before = above(*m.until)
	}
	return s.count(ctx, viewer, span)
}

// above gives the place that has all posts of a time, and older ones, behind it.
func above(at time.Time) *page.Key {
	return &page.Key{At: at.UTC().Truncate(time.Microsecond).Add(time.Microsecond)}
}

// parts splits what to read of a feed at its floor: above it a timeline is whole, below it
// are only posts. What comes first in the direction of the span is first.
func parts(span page.Span, floor time.Time) []part {
	switch {
	case floor.Equal(never):
		return []part{{Span: span}}
	case floor.Equal(always):
		return []part{{Span: span, copied: true}}
	}
	split := above(floor)
	upper, lower := part{Span: span, copied: true}, part{Span: span}
	var all []part
	if span.After == nil || compare(*span.After, *split) > 0 {
		if span.Before == nil || compare(*span.Before, *split) < 0 {
			upper.Before = split
		}
		all = append(all, upper)
	}
	if span.Before == nil || compare(*span.Before, *split) < 0 {
		if span.After == nil || compare(*span.After, *split) > 0 {
			lower.After = split
		}
		all = append(all, lower)
	}
	if span.Backward && len(all) > 1 {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// part is what to read of a feed, from a timeline where it is copied.
type part struct {
	page.Span
	copied bool
}

// read gives the posts of a span of a feed. They are the same whether there are timelines
// or not: what is copied saves work and decides nothing.
func (s *Service) read(ctx context.Context, viewer string, span page.Span) ([]*gen.Post, error) {
	if s.cfg.Timeline == 0 {
		return s.ofAuthors(ctx, viewer, everyone, span)
	}
	floor, err := s.ensure(ctx, viewer)
	if err != nil {
		return nil, err
	}
	var found []*gen.Post
	whole, err := s.onFloor(ctx, viewer, floor, func(floor time.Time) (err error) {
		found, err = s.readParts(ctx, viewer, span, floor)
		return err
	})
	if err == nil && !whole {
		return s.ofAuthors(ctx, viewer, everyone, span)
	}
	return found, err
}

func (s *Service) readParts(ctx context.Context, viewer string, span page.Span, floor time.Time) (found []*gen.Post, err error) {
	for _, p := range parts(span, floor) {
		var rows []*gen.Post
		if p.Limit = span.Limit - len(found); p.Limit == 0 {
			break
		}
		if !p.copied {
			rows, err = s.ofAuthors(ctx, viewer, everyone, p.Span)
		} else if rows, err = s.ofTimeline(ctx, viewer, p.Span); err == nil {
			rows, err = s.merge(ctx, viewer, p.Span, rows)
		}
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

// merge adds to the copied posts of a span those of authors whose posts are not copied. It
// reads these last: an author who became large since is then in both, and never in none.
func (s *Service) merge(ctx context.Context, viewer string, span page.Span, copied []*gen.Post) ([]*gen.Post, error) {
	limit := span.Limit
	if len(copied) == limit { // nothing behind the last one can be on the page
		last := keyOf(copied[limit-1])
		if span.Backward {
			span.After = &last
		} else {
			span.Before = &last
		}
	}
	others, err := s.ofAuthors(ctx, viewer, notCopied, span)
	if err != nil {
		return nil, err
	}
	all := make([]*gen.Post, 0, len(copied)+len(others))
	for len(copied) > 0 || len(others) > 0 {
		switch {
		case len(others) == 0 || len(copied) > 0 && ahead(copied[0], others[0], span.Backward):
			all, copied = append(all, copied[0]), copied[1:]
		case len(copied) > 0 && copied[0].ID == others[0].ID:
			copied = copied[1:]
		default:
			all, others = append(all, others[0]), others[1:]
		}
	}
	return all[:min(limit, len(all))], nil
}

// ahead tells whether one post comes before another in a direction.
func ahead(a, b *gen.Post, backward bool) bool {
	c := compare(keyOf(a), keyOf(b))
	return c > 0 && !backward || c < 0 && backward
}

// compare tells which place is the newer one.
func compare(a, b page.Key) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

// count counts the posts of a span of a feed.
func (s *Service) count(ctx context.Context, viewer string, span page.Span) (n int, err error) {
	if s.cfg.Timeline == 0 {
		return s.countOfAuthors(ctx, viewer, everyone, span)
	}
	floor, err := s.floorOf(ctx, viewer)
	if err != nil {
		return 0, err
	}
	whole, err := s.onFloor(ctx, viewer, floor, func(floor time.Time) (err error) {
		n, err = s.countParts(ctx, viewer, span, floor)
		return err
	})
	if err == nil && !whole {
		return s.countOfAuthors(ctx, viewer, everyone, span)
	}
	return n, err
}

func (s *Service) countParts(ctx context.Context, viewer string, span page.Span, floor time.Time) (n int, err error) {
	for _, p := range parts(span, floor) {
		which := everyone
		if p.copied {
			copied, err := s.countOfTimeline(ctx, viewer, p.Span)
			if err != nil {
				return 0, err
			}
			n, which = n+copied, notCopied
		}
		others, err := s.countOfAuthors(ctx, viewer, which, p.Span)
		if err != nil {
			return 0, err
		}
		n += others
	}
	return n, nil
}
