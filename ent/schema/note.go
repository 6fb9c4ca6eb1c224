package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Note is a user's text.
type Note struct{ ent.Schema }

// Mixin of Note.
func (Note) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of Note.
func (Note) Annotations() []schema.Annotation { return []schema.Annotation{table("notes")} }

// Fields of Note.
func (Note) Fields() []ent.Field {
	return []ent.Field{
		field.Time("updated_at").Default(now).Comment("the owner's last edit; translations don't move it"),
		field.String("owner_id").Immutable(),
		field.String("title").NotEmpty(),
		field.Bytes("title_key").Comment("the title folded (NFKC, lower case) as bytes, so that both databases order it alike"),
		field.Text("text"),
		field.Text("search_key").Comment("title and text folded: search"),
		field.String("language").MaxLen(35),
		field.Enum("format").Values("TEXT", "HTML").Default("TEXT").Comment("what the text is written in"),
		field.Int("version").Default(1).Comment("counts the owner's edits"),
		field.Int("text_version").Default(1).Comment("counts the edits of text, language or format"),
		field.Int64("revision").Default(1).Comment("counts every change of the note or of its translations: the cache's version"),
	}
}

// Edges of Note.
func (Note) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("translations", Translation.Type).Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of Note: one for each order of the owner's list.
func (Note) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("owner_id", "created_at", "id"),
		index.Fields("owner_id", "updated_at", "id"),
		index.Fields("owner_id", "title_key", "id"),
		index.Fields("owner_id", "language"),
	}
}

// Policy of Note.
func (Note) Policy() ent.Policy { return ownedBy("owner_id") }

// Translation is what a model made of one version of a note's text.
type Translation struct{ ent.Schema }

// Mixin of Translation.
func (Translation) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of Translation.
func (Translation) Annotations() []schema.Annotation {
	return []schema.Annotation{table("translations")}
}

// Fields of Translation.
func (Translation) Fields() []ent.Field {
	return []ent.Field{
		field.String("note_id").Immutable(),
		field.String("owner_id").Immutable(),
		field.String("language").Immutable().MaxLen(35),
		field.Int("text_version").Immutable().Comment("the version of the note's text that it translates"),
		field.Enum("state").Values("PENDING", "READY", "STALE", "FAILED", "CANCELLED").Default("PENDING"),
		field.Text("text").Optional().Nillable(),
		field.String("model").Optional().Nillable(),
		field.JSON("alternatives", json.RawMessage{}).Optional().Comment("other ways to translate it, a list of jobspec.Alternative; none is null"),
		field.String("job_id").Comment("the owner's job that makes or made it"),
		field.String("glossary").Default("").Comment("a hash of the glossary's terms that it was asked for with; empty for none"),
		field.Int64("version").Default(1).Comment("counts recorded changes"),
	}
}

// Edges of Translation.
func (Translation) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("note", Note.Type).Ref("translations").Field("note_id").Unique().Required().Immutable(),
	}
}

// Indexes of Translation.
func (Translation) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("note_id", "language", "text_version").Unique(),
		index.Fields("owner_id", "language", "state"),
	}
}

// Policy of Translation.
func (Translation) Policy() ent.Policy { return ownedBy("owner_id") }
