package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Post is what an author says to whoever follows them. Who sees it depends on who blocked
// whom, which internal/feed asks in its own statements.
type Post struct{ ent.Schema }

// Mixin of Post.
func (Post) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of Post.
func (Post) Annotations() []schema.Annotation { return []schema.Annotation{table("posts")} }

// Fields of Post.
func (Post) Fields() []ent.Field {
	return []ent.Field{
		field.String("author_id").Immutable(),
		field.String("title").Default("").MaxLen(800).Comment("at most 200 characters"),
		field.Text("content").Default("").Comment("at most 10,000 characters"),
		field.Text("search_key").Default("").Comment("title and text folded: search"),
		field.String("media_id").Optional().Nillable().Immutable().Comment("a picture of its own, which is public and goes with it"),
		field.Int64("like_count").Default(0),
		field.Int64("version").Default(1).Comment("counts changes"),
	}
}

// Indexes of Post: an author's list, and the newest of all, among which some are recommended.
func (Post) Indexes() []ent.Index {
	return []ent.Index{index.Fields("author_id", "created_at", "id"), index.Fields("created_at", "id")}
}

// Policy of Post.
func (Post) Policy() ent.Policy { return systemOnly() }

// Follow says that one account wants to see what another publishes.
type Follow struct{ ent.Schema }

// Mixin of Follow.
func (Follow) Mixin() []ent.Mixin { return []ent.Mixin{created{}} }

// Annotations of Follow.
func (Follow) Annotations() []schema.Annotation { return []schema.Annotation{table("follows")} }

// Fields of Follow.
func (Follow) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("follower_id").Immutable(),
		field.String("followee_id").Immutable(),
		field.Bool("merged").Default(false).Comment("whether the followee's posts are read with the feed instead of being copied into a timeline"),
	}
}

// Indexes of Follow: from both ends, the lists of both, those that are merged and those that are not.
func (Follow) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("follower_id", "followee_id").Unique(),
		index.Fields("followee_id", "follower_id"),
		index.Fields("follower_id", "created_at", "followee_id"),
		index.Fields("followee_id", "created_at", "follower_id"),
		index.Fields("follower_id").Annotations(entsql.IndexWhere("merged")).StorageKey("follow_merged"),
		index.Fields("followee_id").Annotations(entsql.IndexWhere("NOT merged")).StorageKey("follow_copied"),
	}
}

// Policy of Follow.
func (Follow) Policy() ent.Policy { return systemOnly() }

// FeedAuthor counts who follows an account, and is what publishing and following wait for
// each other at. Its id is the account's.
type FeedAuthor struct{ ent.Schema }

// Mixin of FeedAuthor.
func (FeedAuthor) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of FeedAuthor.
func (FeedAuthor) Annotations() []schema.Annotation {
	return []schema.Annotation{table("feed_authors")}
}

// Fields of FeedAuthor.
func (FeedAuthor) Fields() []ent.Field {
	return []ent.Field{field.Int64("followers").Default(0)}
}

// Policy of FeedAuthor.
func (FeedAuthor) Policy() ent.Policy { return systemOnly() }

// TimelineEntry is a post copied into the timeline of a follower. The entry without a post
// is the timeline's floor: above its time the entries are whole. All of them may be deleted
// at any moment, since they are made again from posts and follows.
type TimelineEntry struct{ ent.Schema }

// Annotations of TimelineEntry.
func (TimelineEntry) Annotations() []schema.Annotation {
	return []schema.Annotation{table("timeline_entries")}
}

// Fields of TimelineEntry.
func (TimelineEntry) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("user_id").Immutable(),
		field.String("post_id").Immutable(),
		field.String("author_id").Immutable(),
		field.Time("created_at").Comment("of the post, or the floor"),
	}
}

// Indexes of TimelineEntry: by the post, and the timeline in its order. Each index more makes
// publishing slower.
func (TimelineEntry) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("post_id", "user_id").Unique(),
		index.Fields("user_id", "created_at", "post_id"),
	}
}

// Policy of TimelineEntry.
func (TimelineEntry) Policy() ent.Policy { return systemOnly() }

// Block says that one account and another see nothing of each other.
type Block struct{ ent.Schema }

// Mixin of Block.
func (Block) Mixin() []ent.Mixin { return []ent.Mixin{created{}} }

// Annotations of Block.
func (Block) Annotations() []schema.Annotation { return []schema.Annotation{table("blocks")} }

// Fields of Block.
func (Block) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("blocker_id").Immutable(),
		field.String("blocked_id").Immutable(),
	}
}

// Indexes of Block: from both ends.
func (Block) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("blocker_id", "blocked_id").Unique(),
		index.Fields("blocked_id", "blocker_id"),
		index.Fields("blocker_id", "created_at", "blocked_id"),
	}
}

// Policy of Block.
func (Block) Policy() ent.Policy { return systemOnly() }

// PostLike says that somebody likes a post.
type PostLike struct{ ent.Schema }

// Mixin of PostLike.
func (PostLike) Mixin() []ent.Mixin { return []ent.Mixin{created{}} }

// Annotations of PostLike.
func (PostLike) Annotations() []schema.Annotation { return []schema.Annotation{table("post_likes")} }

// Fields of PostLike.
func (PostLike) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("post_id").Immutable(),
		field.String("user_id").Immutable(),
	}
}

// Indexes of PostLike: from both ends, and the newest of somebody.
func (PostLike) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("post_id", "user_id").Unique(), index.Fields("user_id", "post_id"), index.Fields("user_id", "created_at", "post_id"),
	}
}

// Policy of PostLike.
func (PostLike) Policy() ent.Policy { return systemOnly() }

// PostReport says why somebody thinks that a post should not be there.
type PostReport struct{ ent.Schema }

// Mixin of PostReport.
func (PostReport) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of PostReport.
func (PostReport) Annotations() []schema.Annotation {
	return []schema.Annotation{table("post_reports")}
}

// Fields of PostReport.
func (PostReport) Fields() []ent.Field {
	return []ent.Field{
		field.String("post_id").Immutable(),
		field.String("reporter_id").Immutable(),
		field.String("reason").MaxLen(4000).Comment("at most 1,000 characters"),
	}
}

// Indexes of PostReport: one for each reporter, and the list.
func (PostReport) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("post_id", "reporter_id").Unique(),
		index.Fields("reporter_id", "id"),
		index.Fields("created_at", "id"),
	}
}

// Policy of PostReport.
func (PostReport) Policy() ent.Policy { return systemOnly() }

// Profile is what everybody sees of an account. Its id is the account's, or of what ships
// with parley an id that no account has.
type Profile struct{ ent.Schema }

// Mixin of Profile.
func (Profile) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of Profile.
func (Profile) Annotations() []schema.Annotation { return []schema.Annotation{table("profiles")} }

// Fields of Profile.
func (Profile) Fields() []ent.Field {
	return []ent.Field{
		field.String("handle").MaxLen(30),
		field.Bytes("handle_key").Comment("the handle in lower case, as bytes, so that both databases order it alike"),
		field.String("display_name").MaxLen(200).Comment("at most 50 characters"),
		field.Bytes("name_key").Comment("the name folded, as bytes"),
		field.Bool("system").Default(false).Immutable().Comment("whether it ships with parley and belongs to no account"),
	}
}

// Indexes of Profile: by its names.
func (Profile) Indexes() []ent.Index {
	return []ent.Index{index.Fields("handle_key").Unique(), index.Fields("name_key")}
}

// Policy of Profile.
func (Profile) Policy() ent.Policy { return systemOnly() }

// FeedMark is how far an account has seen its feed, on whatever device. Its id is the
// account's.
type FeedMark struct{ ent.Schema }

// Mixin of FeedMark.
func (FeedMark) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of FeedMark.
func (FeedMark) Annotations() []schema.Annotation { return []schema.Annotation{table("feed_marks")} }

// Fields of FeedMark.
func (FeedMark) Fields() []ent.Field {
	return []ent.Field{
		field.Time("until").Comment("posts of this time and before were seen"),
		field.Time("marked_at").Comment("when that was said: what came into the feed since was not seen, however old"),
	}
}

// Policy of FeedMark.
func (FeedMark) Policy() ent.Policy { return systemOnly() }
