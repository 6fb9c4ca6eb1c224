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

// ContentRequest is a user's wish for a text, a picture, or both.
type ContentRequest struct{ ent.Schema }

// Mixin of ContentRequest.
func (ContentRequest) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of ContentRequest.
func (ContentRequest) Annotations() []schema.Annotation {
	return []schema.Annotation{table("content_requests")}
}

// Fields of ContentRequest.
func (ContentRequest) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Immutable(),
		field.Enum("kind").Values("TEXT", "IMAGE", "INSTAGRAM").Immutable(),
		field.Text("prompt").Immutable(),
		field.Enum("state").Values("PENDING", "READY", "PARTIAL", "STOPPED", "FAILED", "CANCELLED").Default("PENDING").Comment("follows from those of its parts"),
		field.String("origin_id").Optional().Nillable().Immutable().Comment("the request that it was made of"),
		field.Enum("origin").Values("REGENERATED", "REPRODUCED").Optional().Nillable().Immutable().Comment("how it was made of that"),
		field.Int64("version").Default(1).Comment("counts recorded changes"),
	}
}

// Edges of ContentRequest.
func (ContentRequest) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("parts", ContentPart.Type).Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of ContentRequest: the owner's list, whole and by state.
func (ContentRequest) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("owner_id", "created_at", "id"),
		index.Fields("owner_id", "state", "created_at", "id"),
	}
}

// Policy of ContentRequest.
func (ContentRequest) Policy() ent.Policy { return ownedBy("owner_id") }

// ContentPart is one thing that a content request asks for: each has a job of its own.
type ContentPart struct{ ent.Schema }

// Mixin of ContentPart.
func (ContentPart) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of ContentPart.
func (ContentPart) Annotations() []schema.Annotation {
	return []schema.Annotation{table("content_parts")}
}

// Fields of ContentPart.
func (ContentPart) Fields() []ent.Field {
	return []ent.Field{
		field.String("request_id").Immutable(),
		field.String("owner_id").Immutable(),
		field.Enum("kind").Values("TEXT", "IMAGE").Immutable(),
		field.Enum("state").Values("PENDING", "READY", "STOPPED", "FAILED", "CANCELLED").Default("PENDING"),
		field.String("job_id").Immutable().Comment("the owner's job that makes or made it"),
		field.JSON("work", json.RawMessage{}).Immutable().Comment("what the job is given to do: a jobspec.Write or jobspec.Draw"),
		field.Text("text").Optional().Nillable(),
		field.String("media_id").Optional().Nillable().Comment("its picture"),
		field.JSON("recipe", json.RawMessage{}).Optional().Comment("what made it, a content.Recipe; none is null"),
	}
}

// Edges of ContentPart.
func (ContentPart) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("request", ContentRequest.Type).Ref("parts").Field("request_id").Unique().Required().Immutable(),
	}
}

// Indexes of ContentPart.
func (ContentPart) Indexes() []ent.Index {
	return []ent.Index{index.Fields("request_id", "kind").Unique(), index.Fields("owner_id")}
}

// Policy of ContentPart.
func (ContentPart) Policy() ent.Policy { return ownedBy("owner_id") }
