package feedback

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
)

// limitWindow is the time that limits are about.
const limitWindow = time.Minute

// addressShare is how many people's limits one address has.
const addressShare = 10

// AllowSearch counts a search of whoever asks, and is RATE_LIMITED when they, or those of
// their address, have searched too often within a minute.
func (s *Service) AllowSearch(ctx context.Context) error {
	return s.allow(ctx, "search", 1, s.cfg.SearchRate)
}

// allowItems is AllowSearch for so many items of feedback.
func (s *Service) allowItems(ctx context.Context, n int) error {
	return s.allow(ctx, "feedback", n, s.cfg.FeedbackRate)
}

// allow counts n things of a kind against the limits of the voter and the address. An API
// key has limits of its own, not its owner's: one at each address, since it may stand in a
// page for everybody, and one for all of them. The counters live in the cache and expire;
// without a limit nothing is counted.
func (s *Service) allow(ctx context.Context, kind string, n, most int) error {
	address := auth.VisitorOf(ctx).Address
	viewer, signedIn := auth.From(ctx)
	type limit struct {
		key  string
		most int
	}
	limits := []limit{{kind + ":user:" + viewer.ID, most}, {kind + ":address:" + address, most * addressShare}}
	if viewer.Key != "" {
		all := kind + ":user:" + KeyPrefix + viewer.Key
		limits[0].key = all + ":" + address
		limits = append(limits, limit{all, most * addressShare})
	}
	if !signedIn {
		// Cookies cost nothing: of visitors the address counts.
		limits = limits[1:]
		limits[0].key, limits[0].most = kind+":visitors:"+address, s.cfg.AnonymousRate
	} else if address == "" {
		limits = slices.Delete(limits, 1, 2)
	}
	for _, l := range limits {
		if l.most <= 0 {
			continue
		}
		count, left, err := s.cache.Count(ctx, l.key, int64(n), limitWindow)
		if err != nil {
			// Better one search too many than none.
			slog.WarnContext(ctx, "the limits on searches and feedback are not counted", "error", err)
			return nil
		}
		if count > int64(l.most) {
			return apperr.Limited(max(left, time.Second), "Too much at once: at most %d a minute. Wait before the next.", l.most)
		}
	}
	return nil
}
