package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Dialog is a customer's talk with a chatbot. Without consent only its owner
// sees it.
type Dialog struct{ ent.Schema }

// Mixin of Dialog.
func (Dialog) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of Dialog.
func (Dialog) Annotations() []schema.Annotation { return []schema.Annotation{table("dialogs")} }

// Fields of Dialog.
func (Dialog) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("dialog_id").Unique().Immutable().Comment("the chatbot's number, unique over all customers and owners"),
		field.Int64("customer_id").Immutable(),
		field.String("owner_id").Immutable().Comment("the account whose key pushed it"),
		field.String("language").Immutable().MaxLen(35),
		field.Text("text").Immutable(),
		field.Bool("approved").Default(false),
		field.Time("approved_at").Optional().Nillable(),
	}
}

// Edges of Dialog.
func (Dialog) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("messages", DialogMessage.Type).Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of Dialog: analysts read approved rows only, the expiry looks for the
// others.
func (Dialog) Indexes() []ent.Index {
	approved := func() schema.Annotation { return entsql.IndexWhere("approved") }
	return []ent.Index{
		index.Fields("created_at", "id").Annotations(approved()).StorageKey("dialog_approved"),
		index.Fields("language", "created_at", "id").Annotations(approved()).StorageKey("dialog_approved_language"),
		index.Fields("customer_id", "created_at", "id").Annotations(approved()).StorageKey("dialog_approved_customer"),
		index.Fields("created_at").Annotations(entsql.IndexWhere("NOT approved")).StorageKey("dialog_waiting"),
		index.Fields("customer_id", "owner_id").Annotations(entsql.IndexWhere("NOT approved")).StorageKey("dialog_waiting_customer"),
	}
}

// Policy of Dialog.
func (Dialog) Policy() ent.Policy { return consented() }

// DialogMessage is what was said in a dialog after its first text.
type DialogMessage struct{ ent.Schema }

// Mixin of DialogMessage.
func (DialogMessage) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of DialogMessage.
func (DialogMessage) Annotations() []schema.Annotation {
	return []schema.Annotation{table("dialog_messages")}
}

// Fields of DialogMessage.
func (DialogMessage) Fields() []ent.Field {
	return []ent.Field{
		field.String("parent_id").Immutable(),
		field.Text("text").Immutable(),
	}
}

// Edges of DialogMessage.
func (DialogMessage) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("dialog", Dialog.Type).Ref("messages").Field("parent_id").Unique().Required().Immutable(),
	}
}

// Indexes of DialogMessage.
func (DialogMessage) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("parent_id", "created_at", "id"),
	}
}

// Policy of DialogMessage.
func (DialogMessage) Policy() ent.Policy { return systemOnly() }

// DialogTombstone keeps the number of an erased dialog from being used again.
// It holds nothing that was said, nor by whom.
type DialogTombstone struct{ ent.Schema }

// Annotations of DialogTombstone.
func (DialogTombstone) Annotations() []schema.Annotation {
	return []schema.Annotation{table("dialog_tombstones")}
}

// Fields of DialogTombstone.
func (DialogTombstone) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id").Comment("the erased dialog's number"),
		field.String("owner_id").Immutable(),
		field.Time("erased_at").Immutable(),
	}
}

// Policy of DialogTombstone.
func (DialogTombstone) Policy() ent.Policy { return systemOnly() }

// ConsentChange is one step in the history of a dialog's consent, without
// anything that was said.
type ConsentChange struct{ ent.Schema }

// Mixin of ConsentChange.
func (ConsentChange) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of ConsentChange.
func (ConsentChange) Annotations() []schema.Annotation {
	return []schema.Annotation{table("consent_changes")}
}

// Fields of ConsentChange.
func (ConsentChange) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("dialog_id").Immutable(),
		field.String("owner_id").Immutable(),
		field.Enum("state").Values("APPROVED", "WITHDRAWN", "ERASED", "EXPIRED").Immutable(),
		field.String("actor_id").Immutable().Comment("the account that said so; empty when it expired"),
		field.String("key_id").Optional().Nillable().Immutable().Comment("the key that it used"),
	}
}

// Indexes of ConsentChange.
func (ConsentChange) Indexes() []ent.Index {
	return []ent.Index{index.Fields("dialog_id", "created_at", "id")}
}

// Policy of ConsentChange.
func (ConsentChange) Policy() ent.Policy { return readByOwner("owner_id") }
