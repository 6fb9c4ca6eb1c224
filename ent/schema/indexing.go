package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// SearchIndex is the vectors that one model gives of everything that is searched.
type SearchIndex struct{ ent.Schema }

// Mixin of SearchIndex.
func (SearchIndex) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of SearchIndex.
func (SearchIndex) Annotations() []schema.Annotation {
	return []schema.Annotation{table("search_indexes")}
}

// Fields of SearchIndex.
func (SearchIndex) Fields() []ent.Field {
	return []ent.Field{
		field.String("model").Immutable().Comment("the bundle's name"),
		field.String("digest").Immutable().Unique().Comment("of all files that the vectors depend on"),
		field.Int("dimensions").Immutable(),
		field.Bool("texts").Immutable().Comment("whether the model reads texts"),
		field.Bool("pictures").Immutable().Comment("whether the model reads pictures"),
		field.Enum("state").Values("BUILDING", "READY", "ACTIVE", "RETIRED").Default("BUILDING"),
		field.Int("total").Default(0).Comment("texts and pictures that there are to embed"),
		field.Int("done").Default(0).Comment("of these those that have a vector"),
		field.Int("failed").Default(0).Comment("of these those that have none and get none"),
		field.JSON("report", json.RawMessage{}).Optional().Comment("how it differs from the one that was active when it became ready"),
		field.Time("ready_at").Optional().Nillable(),
		field.Time("activated_at").Optional().Nillable(),
		field.Time("retired_at").Optional().Nillable(),
		field.Int64("version").Default(1).Comment("counts changes"),
	}
}

// Indexes of SearchIndex: at most one answers.
func (SearchIndex) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("state").Unique().Annotations(entsql.IndexWhere("state = 'ACTIVE'")).StorageKey("search_index_active"),
	}
}

// Policy of SearchIndex.
func (SearchIndex) Policy() ent.Policy { return systemOnly() }

// Embedding is the vector of a text or picture in one search index, or why there is none.
type Embedding struct{ ent.Schema }

// Annotations of Embedding.
func (Embedding) Annotations() []schema.Annotation { return []schema.Annotation{table("embeddings")} }

// Fields of Embedding.
func (Embedding) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("index_id").Immutable(),
		field.String("source").Immutable().Comment("what kind of object it is"),
		field.String("object_id").Immutable().MaxLen(64),
		field.Enum("side").Values("WORDS", "PICTURE").Immutable().Comment("what of the object was embedded"),
		field.Int64("version").Default(0).Comment("of the object that vector or failure are of; 0 while there is neither"),
		field.String("content").Default("").Comment("tells what was embedded apart: equal content has equal vectors"),
		field.Bytes("vector").Optional().Nillable().Comment("little-endian float32"),
		field.Text("failure").Optional().Nillable().Comment("why there is no vector, or why the last try gave none"),
		field.Int("tries").Default(0).Comment("jobs of this content that ended without a result"),
		field.Time("retry_at").Optional().Nillable().Comment("when the next try is due, where there is one"),
		field.String("job_id").Optional().Nillable().Comment("the job that makes the vector now"),
		field.Int("ordinal").Default(0).Comment("which of the job's vectors it is"),
		field.Int64("job_version").Default(0).Comment("of the object that the last job worked on"),
		field.String("job_content").Default("").Comment("what the last job worked on"),
	}
}

// Indexes of Embedding: an object's vectors, those of a job, what failed and what is due.
func (Embedding) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("index_id", "source", "object_id", "side").Unique(),
		index.Fields("object_id"),
		index.Fields("job_id").Annotations(entsql.IndexWhere("job_id IS NOT NULL")),
		index.Fields("index_id", "object_id").Annotations(entsql.IndexWhere("failure IS NOT NULL")).StorageKey("embedding_failed"),
		index.Fields("index_id", "retry_at").Annotations(entsql.IndexWhere("retry_at IS NOT NULL")).StorageKey("embedding_due"),
	}
}

// Policy of Embedding.
func (Embedding) Policy() ent.Policy { return systemOnly() }
