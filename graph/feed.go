package graph

import (
	"context"

	"parley/ent/gen"
	"parley/graph/model"
	"parley/internal/event"
	"parley/internal/feed"
	"parley/internal/live"
)

// feedItems streams what comes into the viewer's feed.
func (r *Resolver) feedItems(ctx context.Context, after *event.Cursor, resumeKey *string) (<-chan *model.FeedItemUpdate, error) {
	return live.Gather(ctx, r.Streams, r.FeedService.Gathering(), after, resumeKey, feedItem)
}

func feedItem(g live.Gathered[gen.Post]) *model.FeedItemUpdate {
	u := &model.FeedItemUpdate{Cursor: g.Cursor, Post: g.Object}
	if g.Reset != "" {
		reason := model.StreamResetReason(g.Reset)
		u.Reset = &reason
	}
	return u
}

// profileOf gives what is to be seen of an account that is there.
func (r *Resolver) profileOf(ctx context.Context, account string) (*feed.Profile, error) {
	return joined(ctx, "Post.author", account, itself, r.FeedService.Profiles)
}

// pictureOf gives where a post's picture is, nil for one without.
func (r *Resolver) pictureOf(ctx context.Context, p *gen.Post) (*string, error) {
	if p.MediaID == nil {
		return nil, nil //nolint:nilnil // null is the answer
	}
	return joined(ctx, "Post.imageUrl", *p.MediaID, itself, r.FeedService.Pictures)
}

func sizeOfPost(p *gen.Post) int { return len(p.Title) + len(p.Content) }

// spendFeed counts the texts of a page of a feed.
func spendFeed(ctx context.Context, h *feed.Home, err error) error {
	if err != nil {
		return err
	}
	return spendPage(ctx, h.Page, nil, sizeOfPost)
}
