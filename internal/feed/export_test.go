package feed

import (
	"context"
	"time"

	"parley/internal/auth"
)

// At makes everything that is published from now on be of a time, for posts that share one.
func (s *Service) At(at time.Time) { s.now = func() time.Time { return at } }

// With gives the same service with other settings.
func (s *Service) With(cfg Config) *Service {
	other := *s
	other.cfg = cfg
	return &other
}

// Fill fills the timeline of an account.
func (s *Service) Fill(ctx context.Context, account string) error {
	return s.fill(auth.System(ctx, "test"), account)
}

// Floor gives the floor of a timeline, and whether there is one.
func (s *Service) Floor(ctx context.Context, account string) (time.Time, bool, error) {
	floor, err := s.floorOf(ctx, account)
	return floor, !floor.Equal(never), err
}

// DeleteAccount is what the deletion of an account means here.
func (s *Service) DeleteAccount(ctx context.Context, account string) error {
	return s.deleteAccount(auth.System(ctx, "test"), account)
}

// Voices are the ids of the authors that ship with parley.
func Voices() (ids []string) {
	for _, v := range voices {
		ids = append(ids, v.id)
	}
	return ids
}
