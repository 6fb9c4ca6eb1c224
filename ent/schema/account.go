package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"parley/internal/auth"
)

// User is an account.
type User struct{ ent.Schema }

// Mixin of User.
func (User) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, timed{}} }

// Annotations of User.
func (User) Annotations() []schema.Annotation { return []schema.Annotation{table("users")} }

// Fields of User.
func (User) Fields() []ent.Field {
	return []ent.Field{
		field.String("email").NotEmpty().MaxLen(254),
		field.String("email_key").Unique().MaxLen(254).Comment("the address folded, by which an account is found"),
		field.String("password_hash").Sensitive(),
		field.Enum("role").Values("USER", "ANALYST", "ADMIN", "SERVICE").Default("USER"),
	}
}

// Policy of User: oneself, and all for admins.
func (User) Policy() ent.Policy { return accountPolicy() }

// RefreshToken is one link of a session's chain of refresh tokens.
type RefreshToken struct{ ent.Schema }

// Mixin of RefreshToken.
func (RefreshToken) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of RefreshToken.
func (RefreshToken) Annotations() []schema.Annotation {
	return []schema.Annotation{table("refresh_tokens")}
}

// Fields of RefreshToken.
func (RefreshToken) Fields() []ent.Field {
	return []ent.Field{
		field.String("user_id").Immutable(),
		field.String("session_id").Immutable().Comment("the family: every token that descends from one sign-in"),
		field.Bytes("token_hash").Unique().Immutable().Sensitive(),
		field.Time("expires_at").Immutable(),
		field.Time("used_at").Optional().Nillable(),
		field.Time("revoked_at").Optional().Nillable(),
	}
}

// Indexes of RefreshToken.
func (RefreshToken) Indexes() []ent.Index {
	return []ent.Index{index.Fields("session_id"), index.Fields("user_id"), index.Fields("expires_at")}
}

// Policy of RefreshToken.
func (RefreshToken) Policy() ent.Policy { return systemOnly() }

// ApiKey is a machine's credential; only its hash is kept.
type ApiKey struct{ ent.Schema }

// Mixin of ApiKey.
func (ApiKey) Mixin() []ent.Mixin { return []ent.Mixin{identity{}, created{}} }

// Annotations of ApiKey.
func (ApiKey) Annotations() []schema.Annotation { return []schema.Annotation{table("api_keys")} }

// Fields of ApiKey.
func (ApiKey) Fields() []ent.Field {
	return []ent.Field{
		field.String("owner_id").Immutable(),
		field.String("name").NotEmpty().MaxRuneLen(100),
		field.Bytes("key_hash").Unique().Immutable().Sensitive(),
		field.String("hint").Immutable().Default("").Comment("the key's last characters, by which people tell their keys apart"),
		field.JSON("scopes", []auth.Scope{}).Immutable(),
		field.Time("expires_at").Optional().Nillable().Immutable(),
		field.Time("last_used_at").Optional().Nillable(),
		field.Time("revoked_at").Optional().Nillable(),
	}
}

// Indexes of ApiKey.
func (ApiKey) Indexes() []ent.Index { return []ent.Index{index.Fields("owner_id", "created_at", "id")} }

// Policy of ApiKey.
func (ApiKey) Policy() ent.Policy { return ownedBy("owner_id") }
