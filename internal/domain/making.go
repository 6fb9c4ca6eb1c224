package domain

import (
	"context"

	"parley/internal/event"
	"parley/internal/jobspec"
)

// Making describes a subscription to an object that jobs make: its state, every recorded
// change of it or of its jobs, and in between what their workers tell. Events about the jobs
// have the object as their parent.
type Making[T any] struct {
	// Type names the events about the object, which they come with.
	Type string
	// Load reads the object as the viewer of ctx may see it, past every cache.
	Load func(ctx context.Context, id string) (*T, error)
	// Owner gives the account that it belongs to, Version how new it is.
	Owner   func(*T) string
	Version func(*T) int64
	// Jobs gives the ids of those that make it; they are the same as long as it exists.
	Jobs func(*T) []string
	// Done tells that no job works on it any more, with which the subscription ends.
	Done func(*T) bool
}

// Made is one message of such a subscription.
type Made[T any] struct {
	Cursor event.Cursor
	// Version counts the recorded changes of the object and of its jobs.
	Version int64
	Object  *T
	// Progress is the last that was heard of each job under way, by its id.
	Progress map[string]jobspec.Progress
}
