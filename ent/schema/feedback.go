package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// SearchQuery is a text that was searched for, or voted on, and how often. Its id is
// derived from the text, so that it is written without being read first.
type SearchQuery struct{ ent.Schema }

// Mixin of SearchQuery.
func (SearchQuery) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of SearchQuery.
func (SearchQuery) Annotations() []schema.Annotation {
	return []schema.Annotation{table("search_queries")}
}

// Fields of SearchQuery.
func (SearchQuery) Fields() []ent.Field {
	return []ent.Field{
		field.String("text").NotEmpty().MaxLen(1020).Immutable().Comment("normalised, at most 255 characters"),
		field.Bytes("text_key").Immutable().Comment("the text as bytes, so that both databases order it alike"),
		field.Int64("usage").Default(0).Comment("searches that were answered"),
		field.Int64("empty").Default(0).Comment("of these, those that found nothing"),
		field.Int64("chosen").Default(0).Comment("stickers that were chosen from the answers"),
		field.Int64("votes").Default(0).Comment("votes that stand, on whatever sticker"),
		field.Int64("positives").Default(0).Comment("of these, on public stickers"),
		field.Int64("negatives").Default(0).Comment("of these, on public stickers"),
		field.Time("last_at").Comment("the latest search, or the first vote"),
		field.Bool("last_empty").Default(false).Comment("whether the latest search found nothing"),
		field.Bool("listed").Default(false).Comment("false while there are votes on private stickers alone"),
	}
}

// Indexes of SearchQuery: by text, for the lists by use and by time, and for what
// expires.
func (SearchQuery) Indexes() []ent.Index {
	return []ent.Index{
		// Not unique: the id is, and an insert that meets two unique indexes at once may fail
		// at the one that its ON CONFLICT does not name.
		index.Fields("text_key"),
		index.Fields("usage", "id").Annotations(entsql.IndexWhere("listed")).StorageKey("search_query_usage"),
		index.Fields("last_at", "id").StorageKey("search_query_last"),
		index.Fields("usage", "id").Annotations(entsql.IndexWhere("listed AND last_empty")).StorageKey("search_query_empty"),
		index.Fields("usage", "id").Annotations(entsql.IndexWhere("listed AND negatives > 0 AND positives = 0")).StorageKey("search_query_disliked"),
	}
}

// Policy of SearchQuery.
func (SearchQuery) Policy() ent.Policy { return systemOnly() }

// Vote is what one voter says of a sticker as an answer to a query. Its id is derived
// from the three.
type Vote struct{ ent.Schema }

// Mixin of Vote.
func (Vote) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of Vote.
func (Vote) Annotations() []schema.Annotation { return []schema.Annotation{table("votes")} }

// Fields of Vote. There are no foreign keys: the writer reads the stickers of a whole
// batch at once, where a key would look up each row.
func (Vote) Fields() []ent.Field {
	return []ent.Field{
		field.String("voter").Immutable().Comment("a user's id, or visitor: and a visitor's"),
		field.String("query_id").Immutable(),
		field.String("sticker_id").Immutable(),
		field.Int("value").Comment("1 or -1"),
		field.Time("at").Comment("when it was given its value"),
		field.Int64("reports").Default(1).Comment("how often it was reported"),
	}
}

// Indexes of Vote.
func (Vote) Indexes() []ent.Index {
	return []ent.Index{index.Fields("voter", "id"), index.Fields("sticker_id")}
}

// Policy of Vote.
func (Vote) Policy() ent.Policy { return systemOnly() }

// QueryScore counts the votes on a sticker as an answer to a query. Its id is derived
// from the two.
type QueryScore struct{ ent.Schema }

// Mixin of QueryScore.
func (QueryScore) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of QueryScore.
func (QueryScore) Annotations() []schema.Annotation {
	return []schema.Annotation{table("query_scores")}
}

// Fields of QueryScore.
func (QueryScore) Fields() []ent.Field {
	return []ent.Field{
		field.String("query_id").Immutable(),
		field.String("sticker_id").Immutable(),
		field.String("owner_id").Default("").Immutable().Comment("empty for a public sticker, else whose it is"),
		field.Int64("positives").Default(0),
		field.Int64("negatives").Default(0),
		field.Float("weight_pos").Default(0).Comment("the positives by their age: internal/feedback/weight.go"),
		field.Float("weight_neg").Default(0),
		field.Time("updated_at"),
	}
}

// Indexes of QueryScore: by query, by sticker, and for the lists.
func (QueryScore) Indexes() []ent.Index {
	public := func() schema.Annotation { return entsql.IndexWhere("owner_id = ''") }
	return []ent.Index{
		index.Fields("query_id", "updated_at", "id"),
		index.Fields("sticker_id", "updated_at", "id"),
		index.Fields("updated_at", "id").Annotations(public()).StorageKey("query_score_updated"),
	}
}

// Policy of QueryScore.
func (QueryScore) Policy() ent.Policy { return systemOnly() }

// SearchHour counts what happened in an hour. Its id is the number of hours since 1970.
type SearchHour struct{ ent.Schema }

// Annotations of SearchHour.
func (SearchHour) Annotations() []schema.Annotation {
	return []schema.Annotation{table("search_hours")}
}

// Fields of SearchHour.
func (SearchHour) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id").Immutable(),
		field.Int64("searches").Default(0),
		field.Int64("empty").Default(0),
		field.Int64("degraded").Default(0),
		field.Int64("votes").Default(0).Comment("reported, changed and repeated ones too"),
		field.Int64("chosen").Default(0),
	}
}

// Policy of SearchHour.
func (SearchHour) Policy() ent.Policy { return systemOnly() }

// StickerHour counts how often a sticker was chosen in an hour. Its id is derived from
// the two.
type StickerHour struct{ ent.Schema }

// Mixin of StickerHour.
func (StickerHour) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of StickerHour.
func (StickerHour) Annotations() []schema.Annotation {
	return []schema.Annotation{table("sticker_hours")}
}

// Fields of StickerHour.
func (StickerHour) Fields() []ent.Field {
	return []ent.Field{
		field.String("sticker_id").Immutable(),
		field.Int64("hour").Immutable().Comment("since 1970"),
		field.Int64("chosen").Default(0),
		field.Int64("places").Default(0).Comment("the places in the answers that it was chosen from, added up"),
	}
}

// Indexes of StickerHour.
func (StickerHour) Indexes() []ent.Index {
	return []ent.Index{index.Fields("sticker_id", "hour"), index.Fields("hour")}
}

// Policy of StickerHour.
func (StickerHour) Policy() ent.Policy { return systemOnly() }
