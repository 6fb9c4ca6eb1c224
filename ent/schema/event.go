package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// EventRow is one committed change in the event log. It holds no user's text.
type EventRow struct{ ent.Schema }

// Annotations of EventRow.
func (EventRow) Annotations() []schema.Annotation { return []schema.Annotation{table("events")} }

// Fields of EventRow.
func (EventRow) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.Int64("position").Optional().Nillable().Unique().Comment("the place in publish order; the relay gives it"),
		field.Int("shard").Immutable(),
		field.String("audience").Immutable(),
		field.String("topic").Immutable(),
		field.String("type").Immutable(),
		field.String("object_id").Immutable(),
		field.String("parent_id").Immutable().Default(""),
		field.Int64("version").Immutable(),
		field.String("state").Immutable().Default(""),
		field.Time("created_at").Immutable(),
	}
}

// Indexes of EventRow.
func (EventRow) Indexes() []ent.Index {
	return []ent.Index{
		// What has no position yet is found without what had none a moment ago.
		index.Fields("id").Annotations(entsql.IndexWhere("position IS NULL")).StorageKey("eventrow_waiting"),
		index.Fields("audience", "position"),
		index.Fields("shard", "position"),
		index.Fields("created_at"),
	}
}

// Policy of EventRow.
func (EventRow) Policy() ent.Policy { return systemOnly() }

// EventLog is the one row that names the log.
type EventLog struct{ ent.Schema }

// Annotations of EventLog.
func (EventLog) Annotations() []schema.Annotation { return []schema.Annotation{table("event_log")} }

// Fields of EventLog.
func (EventLog) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id"),
		field.String("epoch"),
		field.Int64("trimmed").Default(0).Comment("the highest position that was deleted"),
	}
}

// Policy of EventLog.
func (EventLog) Policy() ent.Policy { return systemOnly() }

// StreamPosition is how far a reader of the event log is known to have read:
// by a name that it chose, or by the id of an operation of its session.
type StreamPosition struct{ ent.Schema }

// Annotations of StreamPosition.
func (StreamPosition) Annotations() []schema.Annotation {
	return []schema.Annotation{table("stream_positions")}
}

// Fields of StreamPosition.
func (StreamPosition) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("owner_id").Immutable(),
		field.String("name").Immutable().MaxLen(200),
		field.String("epoch"),
		field.Int64("position"),
		field.Time("updated_at"),
	}
}

// Indexes of StreamPosition.
func (StreamPosition) Indexes() []ent.Index {
	return []ent.Index{index.Fields("owner_id", "name").Unique(), index.Fields("updated_at")}
}

// Policy of StreamPosition.
func (StreamPosition) Policy() ent.Policy { return systemOnly() }
