package feed

import (
	"context"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
)

// Gathering announces the subscription to what comes into a feed: what those publish whom the
// viewer follows, and the viewer. To block somebody is to follow them no more, and whoever is
// asked for a post looks at blocks again.
func (s *Service) Gathering() domain.Gathering[gen.Post] {
	return domain.Gathering[gen.Post]{
		Type:    TypePostPublished,
		Sources: s.sources,
		Turn: func(e event.Event) (source string, added, ok bool) {
			return event.Author(e.Object), e.State == string(Followed), e.Type == TypeFollowChanged
		},
		Load: s.ByID,
	}
}

// sources gives the audiences of what comes into the viewer's feed.
func (s *Service) sources(ctx context.Context) ([]string, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	authors, err := s.followees(ctx, viewer.ID)
	if err != nil {
		return nil, err
	}
	all := make([]string, 0, len(authors)+1)
	for _, author := range append(authors, viewer.ID) {
		all = append(all, event.Author(author))
	}
	return all, nil
}
