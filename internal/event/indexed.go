package event

// Indexes is the audience of those who keep an index of objects in each process: every
// change of an object that can be searched is for it, whoever may see the object. No
// viewer belongs to it. To follow it:
//
//	hub.Listen([]string{event.Indexes}, []string{event.Indexes}, listener)
const Indexes = "x:indexes"

// TypeObjectChanged is the type of the events for Indexes, internal ones of the topic
// TopicIndexes. Their object is the id of what changed, by whose prefix its kind is known,
// their version that of the object, and their state ObjectCreated, ObjectUpdated or
// ObjectDeleted.
const (
	TypeObjectChanged = "ObjectChanged"
	TopicIndexes      = "INDEXES"
)

// The states of events for Indexes.
const (
	ObjectCreated = "CREATED"
	ObjectUpdated = "UPDATED"
	ObjectDeleted = "DELETED"
)

// ObjectChanged is the type of the events for Indexes. Several domains write them, so the
// process announces it for all.
func ObjectChanged() Type {
	return Type{Name: TypeObjectChanged, Topic: TopicIndexes, Internal: true}
}

// Indexed is the change that tells Indexes of an object's change; it is appended in the
// transaction of that.
func Indexed(object, state string, version int64) Change {
	return Change{Audience: Indexes, Topic: TopicIndexes, Type: TypeObjectChanged, Object: object, Version: version, State: state}
}
