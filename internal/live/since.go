package live

import (
	"context"
	"time"

	"parley/internal/apperr"
	"parley/internal/event"
)

// MaxWait is how long Since waits at most.
const MaxWait = 25 * time.Second

// maxBatch is how many events Since gives at a time, and maxPages how many
// pages of the log it looks through for them.
const (
	maxBatch = 100
	maxPages = 20
)

// Batch is what Since gives.
type Batch struct {
	Events []*Event
	// Cursor is the position to ask from next.
	Cursor event.Cursor
	// More tells that there are more events already.
	More bool
}

// Since gives the viewer's events behind a position, nil for the present one. When
// there are none yet it waits for the first.
func (s *Streams) Since(ctx context.Context, after *event.Cursor, topics []string, wait time.Duration) (*Batch, error) {
	if wait < 0 || wait > MaxWait {
		return nil, apperr.Argument("waitMs", "waitMs is 0 to %d.", MaxWait.Milliseconds())
	}
	r, err := s.newEventReader(ctx, topics)
	if err != nil {
		return nil, err
	}
	news := make(chan struct{}, 1)
	w := s.hub.Watch(Interest{Audiences: r.audiences, Keys: r.audiences, Wake: func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}})
	defer w.Close()
	if r.position, err = s.log.Head(ctx); err != nil {
		return nil, err
	}
	b := &Batch{}
	r.send = func(e *Event) bool { b.Events = append(b.Events, e); return true }
	if err := r.resume(ctx, after); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for len(b.Events) == 0 {
		w.Take()
		if b.More, err = r.gather(ctx, b); err != nil {
			return nil, err
		}
		if len(b.Events) > 0 || b.More {
			break
		}
		select {
		case <-news:
			continue
		case <-timeout.C:
		case <-s.stopping:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		break
	}
	b.Cursor = s.log.Cursor(r.position)
	return b, nil
}

// resume takes up a position, nil for the present.
func (r *eventReader) resume(ctx context.Context, after *event.Cursor) error {
	if after == nil {
		return nil
	}
	switch foreign, err := r.foreign(ctx, *after, r.position); {
	case err != nil:
		return err
	case !foreign:
		r.position = after.Position
	case !r.reset(ctx, "EPOCH"):
		return ctx.Err()
	}
	return nil
}

// gather reads events into a batch until it is full or the log is read, and
// tells whether there is more.
func (r *eventReader) gather(ctx context.Context, b *Batch) (more bool, err error) {
	head, err := r.log.Head(ctx)
	if err != nil {
		return false, err
	}
	for range maxPages {
		events, trimmed, err := r.page(ctx)
		if err != nil {
			return false, err
		}
		if r.position < trimmed {
			if !r.reset(ctx, "EXPIRED") {
				return false, ctx.Err()
			}
			return false, nil
		}
		for i, e := range events {
			if _, ok := r.emit(ctx, e); !ok {
				return false, ctx.Err()
			}
			if len(b.Events) == maxBatch {
				return i < len(events)-1 || len(events) == replayPage, nil
			}
		}
		if len(events) < replayPage {
			r.position = max(r.position, head)
			return false, nil
		}
	}
	return true, nil
}
