package feed

import (
	"context"
	"slices"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// Tied is an account that the viewer follows or blocks, or does so no more, with the
// cursor before the call.
type Tied struct {
	Profile *Profile
	Cursor  event.Cursor
}

// Follow makes the viewer follow an account. Whoever follows it already does so still.
func (s *Service) Follow(ctx context.Context, account string) (*Tied, error) {
	return s.tie(ctx, account, func(ctx context.Context, viewer string) error {
		blocked, err := s.blocked(ctx, viewer, account)
		if err != nil {
			return err
		}
		if blocked {
			return apperr.New(apperr.Forbidden, "One of you blocked the other.")
		}
		return s.follow(ctx, viewer, account)
	})
}

// Unfollow ends that.
func (s *Service) Unfollow(ctx context.Context, account string) (*Tied, error) {
	return s.tie(ctx, account, func(ctx context.Context, viewer string) error { return s.unfollow(ctx, viewer, account) })
}

// Block makes the viewer and an account see nothing of each other, and follow each other no
// more.
func (s *Service) Block(ctx context.Context, account string) (*Tied, error) {
	return s.tie(ctx, account, func(ctx context.Context, viewer string) error {
		if err := s.addBlock(ctx, viewer, account); err != nil {
			return err
		}
		if err := s.unfollow(ctx, viewer, account); err != nil {
			return err
		}
		return s.unfollow(ctx, account, viewer)
	})
}

// Unblock ends that. Who followed whom before does not come back.
func (s *Service) Unblock(ctx context.Context, account string) (*Tied, error) {
	return s.tie(ctx, account, func(ctx context.Context, viewer string) error { return s.dropBlock(ctx, viewer, account) })
}

// tie changes what is between the viewer and another account, in a transaction in which
// nobody else changes something of the two.
func (s *Service) tie(ctx context.Context, account string, change func(ctx context.Context, viewer string) error) (*Tied, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefixUser, account, "input", "userId"); err != nil {
		return nil, err
	}
	if account == viewer.ID {
		return nil, apperr.Input("userId", "This is you.")
	}
	t := &Tied{}
	t.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		known, err := s.known(ctx, account)
		if err != nil {
			return err
		}
		if !known {
			return store.Found(notFound, "user")
		}
		if err := s.lockPair(ctx, viewer.ID, account); err != nil {
			return err
		}
		return change(ctx, viewer.ID)
	})
	if err != nil {
		return nil, err
	}
	profiles, err := s.Profiles(ctx, []string{account})
	if err != nil {
		return nil, err
	}
	t.Profile = profiles[account]
	return t, nil
}

// lockPair keeps others from changing what is between two accounts, and what they publish,
// until the end of the transaction. All transactions lock timelines before authors, and of
// each the smallest id first.
func (s *Service) lockPair(ctx context.Context, a, b string) error {
	both := []string{a, b}
	slices.Sort(both)
	if err := s.lockTimelines(ctx, both...); err != nil {
		return err
	}
	_, err := s.lockAuthors(ctx, both...)
	return err
}

// follow makes an account follow another in the transaction of the context, which holds
// their locks.
func (s *Service) follow(ctx context.Context, follower, followee string) error {
	followers, err := s.followers(ctx, followee)
	if err != nil {
		return err
	}
	large := followers+1 > int64(s.cfg.Fanout)
	added, err := s.addFollow(ctx, follower, followee, large)
	if err != nil || !added {
		return err
	}
	if err := s.countFollowers(ctx, followee, 1); err != nil {
		return err
	}
	if err := s.followed(ctx, follower, followee, large); err != nil {
		return err
	}
	return s.log.Append(ctx, followChanged(follower, followee, Followed))
}

// unfollow ends that.
func (s *Service) unfollow(ctx context.Context, follower, followee string) error {
	dropped, err := s.dropFollow(ctx, follower, followee)
	if err != nil || !dropped {
		return err
	}
	if err := s.countFollowers(ctx, followee, -1); err != nil {
		return err
	}
	return s.log.Append(ctx, followChanged(follower, followee, Unfollowed))
}
