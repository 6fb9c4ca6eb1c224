package live

import (
	"context"
	"time"

	"parley/internal/event"
)

// Pending is how many events a watch holds.
const Pending = defaultPending

// CheckEvery sets how often a hub that does not run yet compares itself with
// the database, and how long it waits for the end of a round.
func (h *Hub) CheckEvery(d time.Duration) { h.check, h.settle = d, d }

// Running tells whether the hub has begun.
func (h *Hub) Running() bool { return h.running.Load() }

// KeepPartialBytes bounds the texts that a hub which does not run yet keeps.
func (h *Hub) KeepPartialBytes(most int64) { h.maxPartial = most }

// PartialBytes is the size of the texts that the hub keeps.
func (h *Hub) PartialBytes() int64 { return h.partial.Load() }

// HoldEvents bounds the events that wait in all watches.
func (h *Hub) HoldEvents(most int64) { h.maxHeld = most }

// Events gives the events as they are.
func (s *Streams) Events(ctx context.Context, after *event.Cursor, topics []string) (<-chan *Event, error) {
	return Events(ctx, s, EventsAsk{After: after, Topics: topics}, func(e *Event) *Event { return e })
}
