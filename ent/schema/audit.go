package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// AuditEntry says who read which customers' dialogs.
type AuditEntry struct{ ent.Schema }

// Mixin of AuditEntry.
func (AuditEntry) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of AuditEntry.
func (AuditEntry) Annotations() []schema.Annotation {
	return []schema.Annotation{table("audit_entries")}
}

// Fields of AuditEntry.
func (AuditEntry) Fields() []ent.Field {
	return []ent.Field{
		field.String("reader_id").Immutable().Comment("the account that read; empty for the command line"),
		field.String("key_id").Optional().Nillable().Immutable().Comment("the key that it used"),
		field.Enum("action").Values("LIST", "READ", "EXPORT").Immutable(),
		field.Bytes("dialogs").Immutable().Comment("the numbers of the dialogs that were read, 8 bytes each, big-endian"),
	}
}

// Indexes of AuditEntry.
func (AuditEntry) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("created_at", "id"),
		index.Fields("reader_id", "created_at", "id"),
	}
}

// Policy of AuditEntry: admins read it, parley writes it.
func (AuditEntry) Policy() ent.Policy { return adminOnly() }
