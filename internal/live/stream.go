package live

import (
	"context"

	"parley/internal/event"
	"parley/internal/resume"
)

// follower hands on what a stream is about.
type follower interface {
	// start hands on what there is already, follow what the watch brought; both tell
	// whether the stream goes on.
	start(ctx context.Context) bool
	follow(ctx context.Context, t Taken) bool
}

// opening is what a follower is made with: where the log was when its stream
// was opened, and how it hands a message on.
type opening[T any] struct {
	watch *Watch
	head  int64
	// send gives the subscriber a message and tells whether the stream goes on. A
	// client that has the message goes on from at.
	send func(at event.Cursor, message T) bool
}

// stream opens a stream. It watches first and reads then, so that nothing is
// missed; prepare reads where the stream begins. Messages come while there is
// something to hand on; in between the stream has no goroutine.
func stream[T any](ctx context.Context, s *Streams, i Interest, prepare func(opening[T]) (follower, error)) (<-chan T, error) {
	p := &pump{}
	i.Policy, i.Wake = policyOf(ctx), p.wake
	w := s.hub.Watch(i)
	out := make(chan T)
	reader := resume.From(ctx)
	head, err := reach(ctx, func() (int64, error) { return s.log.Head(ctx) })
	var f follower
	if err == nil {
		f, err = prepare(opening[T]{watch: w, head: head, send: func(at event.Cursor, message T) bool {
			reader.Mark(at)
			return send(ctx, out, message)
		}})
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	detach := attach(ctx, w)
	begun := false
	p.step = func() bool {
		if !begun {
			begun = true
			if !f.start(ctx) {
				return false
			}
		}
		return ctx.Err() == nil && f.follow(ctx, w.Take())
	}
	p.end = func() { detach(); w.Close(); close(out); reader.Close() }
	reader.Announce()
	p.start(ctx)
	return out, nil
}
