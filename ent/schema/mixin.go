// Package schema describes the entities: fields, indexes and who may see them.
// The GraphQL contract is in the schema folder at the root.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/mixin"
)

// identity gives an entity its opaque, prefixed, time-ordered id, which the
// service that creates the row makes.
type identity struct{ mixin.Schema }

func (identity) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").NotEmpty().Immutable().MaxLen(64),
	}
}

// created gives an entity the time of its making.
type created struct{ mixin.Schema }

func (created) Fields() []ent.Field {
	return []ent.Field{field.Time("created_at").Immutable().Default(now)}
}

// timed gives an entity the times of its making and of its last change.
type timed struct{ mixin.Schema }

func (timed) Fields() []ent.Field {
	return []ent.Field{
		field.Time("created_at").Immutable().Default(now),
		field.Time("updated_at").Default(now).UpdateDefault(now),
	}
}

// now cuts times to what both databases and the API keep.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func table(name string) schema.Annotation { return entsql.Annotation{Table: name} }
