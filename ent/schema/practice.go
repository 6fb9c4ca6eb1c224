package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// ExternalUser is a person whom a service knows by a name of its own and who
// has no account here. Its id stands where a user's id stands.
type ExternalUser struct{ ent.Schema }

// Mixin of ExternalUser.
func (ExternalUser) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of ExternalUser.
func (ExternalUser) Annotations() []schema.Annotation {
	return []schema.Annotation{table("external_users")}
}

// Fields of ExternalUser.
func (ExternalUser) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Immutable().Comment("the account whose keys use the name"),
		field.String("external_id").NotEmpty().MaxLen(128).Immutable(),
	}
}

// Indexes of ExternalUser.
func (ExternalUser) Indexes() []ent.Index {
	return []ent.Index{index.Fields("owner_id", "external_id").Unique()}
}

// Policy of ExternalUser.
func (ExternalUser) Policy() ent.Policy { return readByOwner("owner_id") }

// Conversation is a learner's talk with an app.
type Conversation struct{ ent.Schema }

// Mixin of Conversation.
func (Conversation) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of Conversation.
func (Conversation) Annotations() []schema.Annotation {
	return []schema.Annotation{table("conversations")}
}

// Fields of Conversation.
func (Conversation) Fields() []ent.Field {
	return []ent.Field{
		field.String("user_id").Immutable(),
		field.String("language").Optional().Nillable().Immutable().MaxLen(35).Comment("the language that is practised"),
	}
}

// Edges of Conversation.
func (Conversation) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("utterances", Utterance.Type).Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of Conversation.
func (Conversation) Indexes() []ent.Index {
	return []ent.Index{index.Fields("user_id", "created_at", "id")}
}

// Policy of Conversation.
func (Conversation) Policy() ent.Policy { return ownedBy("user_id") }

// Utterance is one thing that a learner said.
type Utterance struct{ ent.Schema }

// Mixin of Utterance.
func (Utterance) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of Utterance.
func (Utterance) Annotations() []schema.Annotation { return []schema.Annotation{table("utterances")} }

// Fields of Utterance.
func (Utterance) Fields() []ent.Field {
	return []ent.Field{
		field.String("conversation_id").Immutable(),
		field.String("user_id").Immutable().Comment("the conversation's"),
		field.Text("text").Immutable(),
		field.String("client_key").Optional().Nillable().MaxLen(128).Immutable().Comment("makes a repeated call safe"),
	}
}

// Edges of Utterance.
func (Utterance) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("conversation", Conversation.Type).Ref("utterances").Field("conversation_id").Unique().Required().Immutable(),
	}
}

// Indexes of Utterance.
func (Utterance) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("conversation_id", "created_at", "id"),
		index.Fields("conversation_id", "client_key").Unique(),
	}
}

// Policy of Utterance.
func (Utterance) Policy() ent.Policy { return ownedBy("user_id") }

// LearnerError is one error of an utterance, as it was reported. Rows are
// never changed; ErrorFrequency counts them.
type LearnerError struct{ ent.Schema }

// Mixin of LearnerError.
func (LearnerError) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of LearnerError.
func (LearnerError) Annotations() []schema.Annotation {
	return []schema.Annotation{table("learner_errors")}
}

// Fields of LearnerError. There is no foreign key: the writer reads the
// utterances of a whole batch at once, where a key would look up each row.
func (LearnerError) Fields() []ent.Field {
	return []ent.Field{
		field.String("user_id").Immutable(),
		field.String("utterance_id").Immutable(),
		field.String("client_key").MaxLen(128).Immutable(),
		field.Int("ordinal").Immutable().Comment("the place in the client's report"),
		field.String("category").MaxLen(200).Immutable(),
		field.String("subcategory").MaxLen(200).Immutable(),
		field.Int("start_offset").Optional().Nillable().Immutable(),
		field.Int("end_offset").Optional().Nillable().Immutable(),
		field.Enum("source").Values("LEARNER_APP", "MODEL").Default("LEARNER_APP").Immutable(),
	}
}

// Indexes of LearnerError.
func (LearnerError) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("utterance_id", "client_key", "ordinal").Unique(),
		index.Fields("user_id", "created_at"),
	}
}

// Policy of LearnerError.
func (LearnerError) Policy() ent.Policy { return ownedBy("user_id") }

// ErrorFrequency counts a user's errors of one category and subcategory. Its
// id is derived from the three, so that one index finds the row to count up.
type ErrorFrequency struct{ ent.Schema }

// Mixin of ErrorFrequency.
func (ErrorFrequency) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of ErrorFrequency.
func (ErrorFrequency) Annotations() []schema.Annotation {
	return []schema.Annotation{table("error_frequencies")}
}

// Fields of ErrorFrequency.
func (ErrorFrequency) Fields() []ent.Field {
	return []ent.Field{
		field.String("user_id").Immutable(),
		field.String("category").MaxLen(200).Immutable(),
		field.String("subcategory").MaxLen(200).Immutable(),
		field.Bytes("pair").Immutable().Comment("category, NUL, subcategory: the order among equals, the same in both databases"),
		field.Int64("frequency").Default(0),
		field.Time("last_at").Comment("the latest of the counted errors"),
	}
}

// Indexes of ErrorFrequency.
func (ErrorFrequency) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("user_id", "frequency", "pair").Annotations(entsql.DescColumns("frequency")),
	}
}

// Policy of ErrorFrequency.
func (ErrorFrequency) Policy() ent.Policy { return ownedBy("user_id") }
