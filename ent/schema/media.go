package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Media is a stored picture. Several may share the bytes that their hash names.
type Media struct{ ent.Schema }

// Mixin of Media.
func (Media) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of Media.
func (Media) Annotations() []schema.Annotation { return []schema.Annotation{table("media")} }

// Fields of Media.
func (Media) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Optional().Nillable().Immutable().Comment("null for what belongs to the installation"),
		field.Enum("visibility").Values("PUBLIC", "PRIVATE").Immutable(),
		field.String("hash").MaxLen(64).Immutable().Comment("SHA-256 of the stored bytes in hex: the object's name"),
		field.String("content_type").MaxLen(64).Immutable(),
		field.Int("width").Immutable(),
		field.Int("height").Immutable(),
		field.Int64("bytes").Immutable(),
		field.String("licence").Optional().Nillable().MaxRuneLen(2000).Immutable(),
	}
}

// Indexes of Media: by the name in a public address, and by the owner.
func (Media) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("hash", "visibility"),
		index.Fields("owner_id", "created_at", "id"),
	}
}

// Policy of Media.
func (Media) Policy() ent.Policy { return ownedOrPublic("owner_id", "visibility") }

// LooseObject is an object of the media store that perhaps no Media row names: one
// that is about to be written, or whose row was deleted. Its id is the object's name.
type LooseObject struct{ ent.Schema }

// Mixin of LooseObject.
func (LooseObject) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of LooseObject.
func (LooseObject) Annotations() []schema.Annotation {
	return []schema.Annotation{table("loose_objects")}
}

// Fields of LooseObject.
func (LooseObject) Fields() []ent.Field {
	return []ent.Field{field.Time("since").Default(now).Comment("when it was last written, or lost a row")}
}

// Indexes of LooseObject: the sweep takes the oldest first.
func (LooseObject) Indexes() []ent.Index { return []ent.Index{index.Fields("since")} }

// Policy of LooseObject.
func (LooseObject) Policy() ent.Policy { return systemOnly() }
