package domain

import (
	"context"

	"parley/internal/event"
)

// Gathering describes a subscription to what several sources publish, each to an audience of
// its own, and which of them the viewer listens to, which may change while it is open. T is
// the type of what is published.
type Gathering[T any] struct {
	// Type names the events of what is published. Their object is what is given.
	Type string
	// Sources gives the audiences that the viewer of ctx listens to now.
	Sources func(ctx context.Context) ([]string, error)
	// Turn tells of an event to the viewer whether it adds a source or takes one away, and
	// which.
	Turn func(event.Event) (source string, added, ok bool)
	// Load gives those of the objects that the viewer of ctx may see now, by id.
	Load func(ctx context.Context, ids []string) (map[string]*T, error)
}
