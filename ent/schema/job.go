package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Job is one person's request for work.
type Job struct{ ent.Schema }

// Mixin of Job.
func (Job) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of Job.
func (Job) Annotations() []schema.Annotation { return []schema.Annotation{table("jobs")} }

// Fields of Job.
func (Job) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Immutable(),
		field.String("kind").Immutable(),
		field.String("subject_id").Immutable().Comment("what the result is for: a translation's id"),
		field.String("parent_id").Immutable().Comment("what the subject belongs to: a note's id"),
		field.String("lane"),
		field.String("run_id").Comment("the run it hangs on, or hung on last"),
		field.JSON("earlier_runs", []string{}).Optional().Comment("runs before a retry, oldest first"),
		field.Enum("state").Values("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "DEAD", "CANCELLED").Default("QUEUED"),
		field.Int("attempt").Default(0).Comment("the attempt that was started last, over all runs"),
		field.Int("attempt_base").Default(0).Comment("attempts of earlier runs"),
		field.Int("max_attempts"),
		field.Time("run_at").Comment("when the next attempt may start"),
		field.String("error_code").Optional().Nillable(),
		field.String("error_message").Optional().Nillable(),
		field.Time("finished_at").Optional().Nillable(),
		field.Int64("version").Default(1).Comment("counts recorded changes"),
	}
}

// Indexes of Job.
func (Job) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("owner_id", "created_at", "id"),
		index.Fields("run_id"),
		index.Fields("parent_id"),
		index.Fields("owner_id").Annotations(entsql.IndexWhere("state = 'QUEUED' OR state = 'RUNNING'")).StorageKey("job_owner_active"),
	}
}

// Policy of Job.
func (Job) Policy() ent.Policy { return ownedBy("owner_id") }

// Run is the work that jobs hang on.
type Run struct{ ent.Schema }

// Mixin of Run.
func (Run) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of Run.
func (Run) Annotations() []schema.Annotation { return []schema.Annotation{table("runs")} }

// Fields of Run.
func (Run) Fields() []ent.Field {
	return []ent.Field{
		field.String("kind").Immutable(),
		field.String("pool").Default("").Comment("the queue of workers that can do it; empty until one is known"),
		field.String("lane"),
		field.JSON("payload", json.RawMessage{}).Immutable(),
		field.String("active_key").Optional().Nillable().Unique().Comment("hash of kind and input while the run is active: equal work is done once"),
		field.Enum("state").Values("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "DEAD", "CANCELLED").Default("QUEUED"),
		field.Int("attempt").Default(1).Comment("the attempt that is on its way or under way"),
		field.Int("max_attempts"),
		field.Time("run_at").Comment("when the attempt may start"),
		field.Time("published_at").Optional().Nillable().Comment("when the attempt was handed to JetStream"),
		field.Time("heartbeat_at").Optional().Nillable(),
		field.String("worker").Optional().Nillable(),
	}
}

// Indexes of Run: the rescuer's two questions.
func (Run) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("heartbeat_at").Annotations(entsql.IndexWhere("state = 'RUNNING'")),
		index.Fields("published_at").Annotations(entsql.IndexWhere("state = 'QUEUED'")),
	}
}

// Policy of Run.
func (Run) Policy() ent.Policy { return systemOnly() }

// Attempt is one try at a run.
type Attempt struct{ ent.Schema }

// Mixin of Attempt.
func (Attempt) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of Attempt.
func (Attempt) Annotations() []schema.Annotation { return []schema.Annotation{table("attempts")} }

// Fields of Attempt.
func (Attempt) Fields() []ent.Field {
	return []ent.Field{
		field.String("run_id").Immutable(),
		field.Int("number").Immutable(),
		field.String("worker"),
		field.Strings("earlier_workers").Optional().Comment("who had the attempt before its worker, the first one first"),
		field.Time("started_at").Immutable(),
		field.Time("ended_at").Optional().Nillable(),
		field.Enum("outcome").Values("RUNNING", "SUCCEEDED", "FAILED", "LOST", "CANCELLED").Default("RUNNING"),
		field.String("error_code").Optional().Nillable(),
		field.String("reason").Optional().Nillable().Comment("why it ended, in a sentence"),
	}
}

// Indexes of Attempt.
func (Attempt) Indexes() []ent.Index {
	return []ent.Index{index.Fields("run_id", "number").Unique()}
}

// Policy of Attempt: reached through the job, which is checked.
func (Attempt) Policy() ent.Policy { return systemOnly() }

// Outbox is a message to NATS that a transaction decided on.
type Outbox struct{ ent.Schema }

// Annotations of Outbox.
func (Outbox) Annotations() []schema.Annotation { return []schema.Annotation{table("outbox")} }

// Fields of Outbox.
func (Outbox) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.Enum("action").Values("PUBLISH", "CANCEL", "STOP").Immutable(),
		field.String("run_id").Immutable(),
		field.Int("attempt").Immutable(),
		field.Time("run_at").Comment("not before"),
	}
}

// Indexes of Outbox.
func (Outbox) Indexes() []ent.Index {
	return []ent.Index{index.Fields("run_at", "id"), index.Fields("run_id")}
}

// Policy of Outbox.
func (Outbox) Policy() ent.Policy { return systemOnly() }

// WorkerAnnouncement is the last that a worker said of itself.
type WorkerAnnouncement struct{ ent.Schema }

// Mixin of WorkerAnnouncement.
func (WorkerAnnouncement) Mixin() []ent.Mixin { return []ent.Mixin{identity{}} }

// Annotations of WorkerAnnouncement.
func (WorkerAnnouncement) Annotations() []schema.Annotation {
	return []schema.Annotation{table("worker_announcements")}
}

// Fields of WorkerAnnouncement.
func (WorkerAnnouncement) Fields() []ent.Field {
	return []ent.Field{
		field.Time("seen_at"),
		field.JSON("announcement", json.RawMessage{}),
	}
}

// Policy of WorkerAnnouncement.
func (WorkerAnnouncement) Policy() ent.Policy { return systemOnly() }
