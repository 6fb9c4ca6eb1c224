package event

import (
	"context"

	"parley/internal/auth"
)

// Topic is what viewers choose events by, as its domain announces it.
type Topic struct {
	// Name is the schema's.
	Name string
	// Scopes are those of which a key needs one to hear the topic; without any the
	// topic is for people alone.
	Scopes []auth.Scope
}

// Nothing is the Object of a Type whose events come with their ids alone: what
// they are about is read by resolvers, as the viewer.
const Nothing = "-"

// Type is a type of event, as its domain announces it.
type Type struct {
	// Name is what rows hold.
	Name  string
	Topic string
	// Passing tells of a state that a newer event of the same object may stand for
	// it, so that slow readers get the latest. Nil: all of them count.
	Passing func(state string) bool
	// Object is the prefix of the objects that events of this type come with, or
	// Nothing.
	Object string
	// Show gives the member of the schema's interface Event; see ShowWith.
	Show func(m Message) any
	// Invalidate keeps caches from being older than events of the domain's types;
	// the relay calls it before it publishes them. It may be called again for the
	// same ones. Nil where nothing is cached.
	Invalidate func(ctx context.Context, events []Event) error
	// Internal events are for connections, and never shown: they have neither Object
	// nor Show.
	Internal bool
}

// Message is an event as a client is given it.
type Message struct {
	Event
	Cursor Cursor
	// Loaded is the object of the type's kind, nil when it is gone or not for the
	// viewer.
	Loaded any
}

// ShowWith makes a Type's Show of a function that takes the object with its own
// type; it is given nil where there is no object.
func ShowWith[T any](show func(m Message, object *T) any) func(Message) any {
	return func(m Message) any {
		object, _ := m.Loaded.(*T)
		return show(m, object)
	}
}
