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

// verifySample is how many timelines are looked at in an hour, verifyDepth how many posts of
// each.
const (
	verifySample = 50
	verifyDepth  = 200
)

// Verify compares some timelines, chosen at random, with the tables, and gives how many lacked
// a post. Those are filled again when they are read next. None should: only what somebody
// deleted by hand, or a fault of ours, takes an entry away and leaves the floor.
func (s *Service) Verify(ctx context.Context, sample int) (wrong int, err error) {
	ctx = asSystem(ctx)
	accounts, err := s.someTimelines(ctx, sample)
	if err != nil {
		return 0, err
	}
	for _, account := range accounts {
		lost, err := s.lost(ctx, account)
		if err != nil {
			return wrong, fmt.Errorf("verify a timeline: %w", err)
		}
		if len(lost) == 0 {
			continue
		}
		wrong++
		s.wrong.Add(1)
		slog.ErrorContext(ctx, "a timeline lacked posts, it is filled again", "account", account, "posts", len(lost), "first", lost[0])
		if err := s.void(ctx, account); err != nil {
			return wrong, err
		}
	}
	return wrong, nil
}

// lost gives the newest posts that a feed should have and that are not found by its timeline.
// The tables are read before and after: what came in or went meanwhile is not lost.
func (s *Service) lost(ctx context.Context, account string) ([]string, error) {
	span := page.Span{Limit: verifyDepth}
	before, err := s.ofAuthors(ctx, account, everyone, span)
	if err != nil {
		return nil, err
	}
	var found []*gen.Post
	floor, err := s.floorOf(ctx, account)
	if err != nil {
		return nil, err
	}
	whole, err := s.onFloor(ctx, account, floor, func(floor time.Time) (err error) {
		found, err = s.readParts(ctx, account, span, floor)
		return err
	})
	if err != nil || !whole {
		return nil, err
	}
	after, err := s.ofAuthors(ctx, account, everyone, span)
	if err != nil {
		return nil, err
	}
	has := func(posts []*gen.Post, id string) bool {
		return slices.ContainsFunc(posts, func(p *gen.Post) bool { return p.ID == id })
	}
	var lost []string
	for _, p := range before {
		behind := len(found) == verifyDepth && compare(keyOf(p), keyOf(found[verifyDepth-1])) < 0
		if !behind && has(after, p.ID) && !has(found, p.ID) {
			lost = append(lost, p.ID)
		}
	}
	return lost, nil
}

// void makes a timeline be filled again when it is read next.
func (s *Service) void(ctx context.Context, account string) error {
	return s.store.Tx(ctx, func(ctx context.Context) error {
		if err := s.lockTimelines(ctx, account); err != nil {
			return err
		}
		return s.setFloor(ctx, account, never)
	})
}
