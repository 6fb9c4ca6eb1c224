package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Sticker is a picture with a name, which is found by words and by what it shows.
type Sticker struct{ ent.Schema }

// Mixin of Sticker.
func (Sticker) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of Sticker.
func (Sticker) Annotations() []schema.Annotation { return []schema.Annotation{table("stickers")} }

// Fields of Sticker.
func (Sticker) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Optional().Nillable().Immutable().Comment("null for what belongs to the installation"),
		field.Enum("visibility").Values("PUBLIC", "PRIVATE").Immutable(),
		field.String("scope").Default("").Immutable().MaxLen(64).Comment("in which its name is unique: empty for public ones, else the owner"),
		field.String("name").NotEmpty().MaxLen(255).Comment("of its file, unique in its scope whatever the case"),
		field.Bytes("name_key").Comment("the name folded, as bytes, so that both databases order it alike"),
		field.Text("caption").Default(""),
		field.JSON("tags", []string{}),
		field.String("licence").Optional().Nillable().MaxRuneLen(2000),
		field.String("media_id").Immutable().Comment("its picture"),
		field.Int64("version").Default(1).Comment("counts changes"),
	}
}

// Indexes of Sticker: by name, and for the lists.
func (Sticker) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("scope", "name_key").Unique(),
		index.Fields("owner_id", "created_at", "id"),
		index.Fields("visibility", "created_at", "id"),
	}
}

// Policy of Sticker.
func (Sticker) Policy() ent.Policy { return ownedOrPublic("owner_id", "visibility") }
