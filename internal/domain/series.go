package domain

import (
	"context"

	"parley/internal/event"
)

// Series describes a subscription to what belongs to one object, its parent: the
// members that are there, then every change of one. T is the type of a member.
type Series[T any] struct {
	// Type names the events about members. Their object is the member, which they
	// come with, and their parent the parent.
	Type string
	// Parent gives the account that the parent belongs to, or why the viewer of ctx
	// may not have the series.
	Parent func(ctx context.Context, id string) (owner string, err error)
	// Members gives those that a new reader is given first, or with all every one
	// that there is.
	Members func(ctx context.Context, parent string, all bool) ([]*T, error)
	// ID and Version tell a member, and how new it is, from another.
	ID      func(*T) string
	Version func(*T) int64
	// Ends tells that an event is the end of the parent.
	Ends func(event.Event) bool
}
