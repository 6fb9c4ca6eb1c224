package live

import (
	"context"

	"parley/internal/event"
)

// Events gives the events as they are.
func (s *Streams) Events(ctx context.Context, after *event.Cursor, topics []string) (<-chan *Event, error) {
	return Events(ctx, s, after, topics, func(e *Event) *Event { return e })
}

// KeepPartialBytes bounds the texts that a hub which does not run yet keeps.
func (h *Hub) KeepPartialBytes(most int64) { h.maxPartial = most }

// PartialBytes is the size of the texts that the hub keeps.
func (h *Hub) PartialBytes() int64 { return h.partial.Load() }
