package feed

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/internal/page"
)

// A timeline holds copies of the posts of those whom an account follows: entries with their
// ids and times, the newest so many. Above its floor, which is an entry too, none is missing;
// there may be some too many, which readers pass over. These rules keep it so:
//
//   - Whoever publishes adds entries for all followers whose follows are not merged, whether
//     they have a timeline or not, in the transaction that publishes (fanOut).
//   - Publishing and following wait for each other at the author's row, so a follow copies
//     what was published before and the author what comes later.
//   - A timeline is filled from the tables, and is whole above its floor from then on: what
//     is published meanwhile adds its entries itself, and if whom it is about changes
//     meanwhile, it is read again.
//   - Following, filling and trimming wait for each other at the timeline's floor.
//
// Entries and floors may be deleted at any moment, a floor with or before any of its
// timeline's entries: it is filled again when it is read next.

var (
	// never is the floor of a timeline that is not filled.
	never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	// always is the floor of a timeline that holds everything.
	always = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
)

// lockTimelines keeps others from filling and trimming the timelines of accounts until the end
// of the transaction.
func (s *Service) lockTimelines(ctx context.Context, accounts ...string) error {
	slices.Sort(accounts)
	if err := s.makeFloors(ctx, accounts); err != nil {
		return err
	}
	return s.lockFloors(ctx, accounts)
}

// onFloor reads with the floor of a timeline, again if that was moved meanwhile, and tells
// whether it stayed where it was at last.
func (s *Service) onFloor(ctx context.Context, account string, floor time.Time, read func(floor time.Time) error) (bool, error) {
	for range 3 {
		if err := read(floor); err != nil {
			return false, err
		}
		now, err := s.floorOf(ctx, account)
		if err != nil || now.Equal(floor) {
			return err == nil, err
		}
		floor = now
	}
	return false, nil
}

// ensure fills the timeline of an account that has none, and gives its floor. Without a
// timeline the feed is read from all posts, so a failure to fill it is no more than slow.
func (s *Service) ensure(ctx context.Context, account string) (time.Time, error) {
	floor, err := s.floorOf(ctx, account)
	if err != nil || !floor.Equal(never) {
		return floor, err
	}
	if err := s.fill(ctx, account); err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "a timeline could not be filled", "account", account, "error", err)
	}
	return s.floorOf(ctx, account)
}

// fill makes the timeline of an account whole. The posts of many authors take a while to
// read, so they are read before the transaction, which SQLite has one of at a time; if whom
// the account follows has changed by then, they are read again in it.
func (s *Service) fill(ctx context.Context, account string) error {
	before, err := s.copiedFollows(ctx, account)
	if err != nil || before.number == 0 {
		return err // what there is is merged
	}
	newest, err := s.newestCopied(ctx, account)
	if err != nil {
		return err
	}
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		if err := s.lockTimelines(ctx, account); err != nil {
			return err
		}
		floor, err := s.floorOf(ctx, account)
		if err != nil || !floor.Equal(never) {
			return err // somebody was faster
		}
		now, err := s.copiedFollows(ctx, account)
		if err == nil && now != before {
			newest, err = s.newestCopied(ctx, account)
		}
		if err != nil {
			return err
		}
		return s.copyTo(ctx, account, always, newest)
	})
	if err == nil {
		s.filled.Add(1)
	}
	return err
}

// newestCopied gives what a timeline should hold, and one post more.
func (s *Service) newestCopied(ctx context.Context, account string) ([]*gen.Post, error) {
	return s.ofAuthors(ctx, account, copied, page.Span{Limit: s.cfg.Timeline + 1})
}

// copyTo copies the newest posts of some authors into a timeline whose floor is at or below
// them. If they are more than it keeps, the last marks where it is not whole any more.
func (s *Service) copyTo(ctx context.Context, account string, floor time.Time, newest []*gen.Post) error {
	if most := s.cfg.Timeline; len(newest) > most {
		floor, newest = newest[most].CreatedAt, newest[:most]
	}
	if err := s.insertEntries(ctx, account, newest); err != nil {
		return err
	}
	return s.setFloor(ctx, account, floor)
}

// fanOut copies a new post to the followers of its author in the transaction that publishes
// it, unless they are too many. So it is in their feeds when its author is answered.
func (s *Service) fanOut(ctx context.Context, p *gen.Post, followers int64) error {
	switch {
	case s.cfg.Timeline == 0:
		return s.voidTimelines(ctx, p.AuthorID)
	case followers > int64(s.cfg.Fanout):
		return s.mergeFollows(ctx, p.AuthorID)
	}
	return s.copyToFollowers(ctx, p.ID)
}

// followed does what a new follow means for timelines, in its transaction.
func (s *Service) followed(ctx context.Context, follower, followee string, large bool) error {
	if large {
		return s.mergeFollows(ctx, followee)
	}
	if s.cfg.Timeline == 0 {
		return s.setFloor(ctx, follower, never)
	}
	floor, err := s.floorOf(ctx, follower)
	if err != nil || floor.Equal(never) {
		return err
	}
	newest, err := s.newestOf(ctx, followee, floor, s.cfg.Timeline+1)
	if err != nil {
		return err
	}
	return s.copyTo(ctx, follower, floor, newest)
}

// trimStep is how many timelines are looked for at a time.
const trimStep = 500

// Trim cuts the timelines that hold more than they keep.
func (s *Service) Trim(ctx context.Context) error {
	ctx = asSystem(ctx)
	for after, more := "", true; more; {
		long, err := s.longTimelines(ctx, after, trimStep)
		if err != nil {
			return err
		}
		for _, account := range long {
			if err := s.store.Tx(ctx, func(ctx context.Context) error { return s.trim(ctx, account) }); err != nil {
				return fmt.Errorf("trim a timeline: %w", err)
			}
			after = account
		}
		more = len(long) == trimStep
	}
	return nil
}

// trim cuts one timeline: its floor rises to the first post that it does not keep.
func (s *Service) trim(ctx context.Context, account string) error {
	if err := s.lockTimelines(ctx, account); err != nil {
		return err
	}
	first, found, err := s.entryBehind(ctx, account, s.cfg.Timeline)
	if err != nil || !found {
		return err
	}
	floor, err := s.floorOf(ctx, account)
	if err != nil {
		return err
	}
	if floor.Before(first) {
		if err := s.setFloor(ctx, account, first); err != nil {
			return err
		}
	}
	return s.dropEntries(ctx, account, first)
}
