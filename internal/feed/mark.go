package feed

import (
	"context"
	"time"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// mark is how far a feed was seen.
type mark struct {
	// until is nil when nothing was.
	until *time.Time
	// at is when that was said, nil when it was said for this call only.
	at *time.Time
}

// Seen is how far the viewer's feed counts as seen, with the cursor before the call.
type Seen struct {
	Until  time.Time
	Cursor event.Cursor
}

// MarkSeen notes that the viewer has seen the posts of a time and before. The mark is a
// time and not a post, so that it outlives what it was set at. It only moves forward; being
// told the same again, it counts from now what comes into the feed below it.
func (s *Service) MarkSeen(ctx context.Context, until time.Time) (*Seen, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	now := store.Now()
	until = until.UTC().Truncate(time.Microsecond)
	if until.After(now) {
		until = now
	}
	seen := &Seen{Until: until}
	seen.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		moved, err := s.moveMark(ctx, viewer.ID, until, now)
		if err != nil {
			return err
		}
		if moved {
			return s.log.Append(ctx, marked(viewer.ID, until))
		}
		m, err := s.markOf(ctx, viewer.ID)
		if err == nil && m.until != nil {
			seen.Until = *m.until
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return seen, nil
}
