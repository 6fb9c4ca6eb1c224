package feed

import (
	"context"
	"errors"
	"time"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/object"
)

// The topic and the types of the events about feeds.
const (
	TopicFeed         = "FEED"
	TypePostChanged   = "PostChanged"
	TypeFollowChanged = "FollowChanged"
	TypeFeedMarked    = "FeedMarked"
	// TypePostPublished is for streams of feeds. There is one event for a post, whatever
	// the number of followers: its audience is the author's own.
	TypePostPublished = "PostPublished"
)

// PostAction is what happened to a post.
type PostAction string

// The actions.
const (
	Created PostAction = "CREATED"
	Deleted PostAction = "DELETED"
)

// PostChanged is the event of a post of the viewer as clients are shown it.
type PostChanged struct {
	Cursor event.Cursor
	At     time.Time
	PostID string
	Action PostAction
}

// FollowAction is whether an account is followed.
type FollowAction string

// The actions.
const (
	Followed   FollowAction = "FOLLOWED"
	Unfollowed FollowAction = "UNFOLLOWED"
)

// FollowChanged is the event of whom the viewer follows as clients are shown it.
type FollowChanged struct {
	Cursor event.Cursor
	At     time.Time
	UserID string
	Action FollowAction
}

// Marked is the event of how far a feed was seen as clients are shown it.
type Marked struct {
	Cursor event.Cursor
	At     time.Time
	Until  time.Time
}

// Domain announces feeds.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:    "feed",
		Topics:  []event.Topic{{Name: TopicFeed}},
		Types:   types(),
		Objects: []object.Kind{object.Many(prefix, "post", s.ByID), object.Many(prefixReport, "report", s.ReportsByID)},
		Operations: map[string]auth.Access{
			"Query.feed": auth.People, "Query.post": auth.People, "Query.posts": auth.People, "Query.profile": auth.People, "Query.users": auth.People,
			"Query.following": auth.People, "Query.followers": auth.People, "Query.blockedUsers": auth.People, "Query.recommendedFeed": auth.People,
			"Query.postReports":   auth.WithRole(auth.RoleAdmin),
			"Mutation.createPost": auth.People, "Mutation.publishContent": auth.People, "Mutation.deletePost": auth.People, "Mutation.follow": auth.People, "Mutation.unfollow": auth.People,
			"Mutation.block": auth.People, "Mutation.unblock": auth.People, "Mutation.likePost": auth.People, "Mutation.unlikePost": auth.People,
			"Mutation.reportPost": auth.People, "Mutation.setProfile": auth.People, "Mutation.markFeedSeen": auth.People,
			"Subscription.feedItemAdded": auth.People,
		},
		Counters: []domain.Counter{
			{Name: "parley_timelines_filled_total", Help: "Timelines that were filled from the posts, since there were none.", Value: s.filled.Load},
			{Name: "parley_timelines_wrong_total", Help: "Timelines that lacked a post, of some that are compared with the tables each hour. It should stay 0.", Value: s.wrong.Load},
		},
		Expire: func(ctx context.Context) error {
			if s.cfg.Timeline == 0 {
				return nil
			}
			_, err := s.Verify(ctx, verifySample)
			return errors.Join(err, s.Trim(ctx))
		},
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
		Seed:    s.seed,
	}
}

func types() []event.Type {
	return []event.Type{
		{Name: TypePostPublished, Internal: true},
		{Name: TypePostChanged, Topic: TopicFeed, Object: event.Nothing, Show: func(m event.Message) any {
			return &PostChanged{Cursor: m.Cursor, At: m.At, PostID: m.Object, Action: PostAction(m.State)}
		}},
		{Name: TypeFollowChanged, Topic: TopicFeed, Object: event.Nothing, Show: func(m event.Message) any {
			return &FollowChanged{Cursor: m.Cursor, At: m.At, UserID: m.Object, Action: FollowAction(m.State)}
		}},
		{Name: TypeFeedMarked, Topic: TopicFeed, Object: event.Nothing, Show: func(m event.Message) any {
			return &Marked{Cursor: m.Cursor, At: m.At, Until: time.UnixMicro(m.Version).UTC()}
		}},
	}
}

// The events of changes. That of a mark says the time as its version.

func published(p *gen.Post) event.Change {
	return event.Change{Audience: event.Author(p.AuthorID), Topic: TopicFeed, Type: TypePostPublished, Object: p.ID, Version: p.Version}
}

func postChanged(p *gen.Post, action PostAction) event.Change {
	return event.Change{Audience: event.User(p.AuthorID), Topic: TopicFeed, Type: TypePostChanged, Object: p.ID, Version: p.Version, State: string(action)}
}

func followChanged(follower, followee string, action FollowAction) event.Change {
	return event.Change{Audience: event.User(follower), Topic: TopicFeed, Type: TypeFollowChanged, Object: followee, State: string(action)}
}

func marked(account string, until time.Time) event.Change {
	return event.Change{Audience: event.User(account), Topic: TopicFeed, Type: TypeFeedMarked, Object: account, Version: until.UnixMicro()}
}
