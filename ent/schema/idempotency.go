package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// IdempotencyKey remembers what a call with a key was answered.
type IdempotencyKey struct{ ent.Schema }

// Mixin of IdempotencyKey.
func (IdempotencyKey) Mixin() []ent.Mixin { return []ent.Mixin{created{}} }

// Annotations of IdempotencyKey.
func (IdempotencyKey) Annotations() []schema.Annotation {
	return []schema.Annotation{table("idempotency_keys")}
}

// Fields of IdempotencyKey.
func (IdempotencyKey) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").NotEmpty().Immutable().MaxLen(64).Comment("hash of owner, operation and key; the key itself is not kept"),
		field.String("owner_id").Immutable(),
		field.String("operation").Immutable(),
		field.String("fingerprint").Comment("hash of the input"),
		field.JSON("answer", []string{}).Sensitive().Comment("what is needed to answer again: ids, a sealed secret"),
		field.Int64("position").Default(0).Comment("the event log's position that was answered"),
		field.String("about").Optional().Nillable().Comment("the object with which the row is erased"),
	}
}

// Indexes of IdempotencyKey.
func (IdempotencyKey) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("created_at"),
		index.Fields("about").Annotations(entsql.IndexWhere("about IS NOT NULL")),
	}
}

// Policy of IdempotencyKey.
func (IdempotencyKey) Policy() ent.Policy { return systemOnly() }
