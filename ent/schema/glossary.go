package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Glossary is how a user wants terms of one language put into another.
type Glossary struct{ ent.Schema }

// Mixin of Glossary.
func (Glossary) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of Glossary.
func (Glossary) Annotations() []schema.Annotation { return []schema.Annotation{table("glossaries")} }

// Fields of Glossary.
func (Glossary) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Immutable(),
		field.String("source").Immutable().MaxLen(35),
		field.String("target").Immutable().MaxLen(35),
		field.JSON("terms", json.RawMessage{}).Comment("a list of jobspec.Term in the owner's order"),
	}
}

// Indexes of Glossary: one of each pair of languages.
func (Glossary) Indexes() []ent.Index {
	return []ent.Index{index.Fields("owner_id", "source", "target").Unique()}
}

// Policy of Glossary.
func (Glossary) Policy() ent.Policy { return ownedBy("owner_id") }
