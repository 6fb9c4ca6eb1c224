package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// StickerSet tells how much of a set of stickers that ships with parley was added. What
// was added once is not added again, so that one that was deleted stays away.
type StickerSet struct{ ent.Schema }

// Mixin of StickerSet: its id is the name of the set.
func (StickerSet) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of StickerSet.
func (StickerSet) Annotations() []schema.Annotation {
	return []schema.Annotation{table("sticker_sets")}
}

// Fields of StickerSet.
func (StickerSet) Fields() []ent.Field {
	return []ent.Field{field.Int("done").Default(0).Comment("how many were added, the first ones of the set")}
}

// Policy of StickerSet.
func (StickerSet) Policy() ent.Policy { return systemOnly() }
