package schema

import (
	"context"

	"entgo.io/ent"
	"entgo.io/ent/entql"

	"parley/ent/gen/privacy"
	"parley/internal/auth"
)

// ownedBy lets a user reach only the rows whose field holds their id; admins
// read all rows, the system reads and writes all. An API key reaches none.
func ownedBy(field string) ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{
			denyWithoutViewer(), allowSystem(), denyKey(), allowAdmin(), filterOwner(field),
		},
		Mutation: privacy.MutationPolicy{
			denyWithoutViewer(), allowSystem(), denyKey(), createOwn(field), filterOwner(field),
		},
	}
}

// ownedOrPublic is ownedBy for rows that everybody who is signed in may see where
// the other field says PUBLIC.
func ownedOrPublic(field, visibility string) ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{
			denyWithoutViewer(), allowSystem(), denyKey(), allowAdmin(), filterOwnerOrPublic(field, visibility),
		},
		Mutation: privacy.MutationPolicy{
			denyWithoutViewer(), allowSystem(), denyKey(), createOwn(field), filterOwner(field),
		},
	}
}

// readByOwner is ownedBy for what parley alone writes, and what the owner's
// keys may read.
func readByOwner(field string) ent.Policy {
	return privacy.Policy{
		Query:    privacy.QueryPolicy{denyWithoutViewer(), allowSystem(), allowAdmin(), filterOwner(field)},
		Mutation: privacy.MutationPolicy{denyWithoutViewer(), allowSystem(), privacy.AlwaysDenyRule()},
	}
}

// consented lets analysts and admins read the dialogs that their customers
// agreed to, and an owner's keys their own; parley alone writes.
func consented() ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{
			denyWithoutViewer(), allowSystem(), filterConsented(),
		},
		Mutation: privacy.MutationPolicy{denyWithoutViewer(), allowSystem(), privacy.AlwaysDenyRule()},
	}
}

// filterConsented narrows to what was agreed to, or to what the viewer pushed.
func filterConsented() privacy.FilterFunc {
	return func(ctx context.Context, f privacy.Filter) error {
		v, _ := auth.From(ctx)
		if v.Role == auth.RoleAnalyst || v.Admin() {
			f.Where(entql.FieldEQ("approved", true))
		} else {
			f.Where(entql.FieldEQ("owner_id", v.ID))
		}
		return privacy.Allow
	}
}

// adminOnly lets admins read and parley write.
func adminOnly() ent.Policy {
	return privacy.Policy{
		Query:    privacy.QueryPolicy{denyWithoutViewer(), allowSystem(), allowAdmin(), privacy.AlwaysDenyRule()},
		Mutation: privacy.MutationPolicy{denyWithoutViewer(), allowSystem(), privacy.AlwaysDenyRule()},
	}
}

// accountPolicy is ownedBy("id") for the users themselves, who may not give
// themselves a role or another password behind the back of the account service.
func accountPolicy() ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{denyWithoutViewer(), allowSystem(), denyKey(), allowAdmin(), filterOwner("id")},
		Mutation: privacy.MutationPolicy{
			denyWithoutViewer(), allowSystem(), privacy.AlwaysDenyRule(),
		},
	}
}

// systemOnly closes a table to every viewer.
func systemOnly() ent.Policy {
	return privacy.Policy{
		Query:    privacy.QueryPolicy{denyWithoutViewer(), allowSystem(), privacy.AlwaysDenyRule()},
		Mutation: privacy.MutationPolicy{denyWithoutViewer(), allowSystem(), privacy.AlwaysDenyRule()},
	}
}

func denyWithoutViewer() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if v, _ := auth.From(ctx); v.ID == "" && !v.System() {
			return privacy.Denyf("no viewer in the context")
		}
		return privacy.Skip
	})
}

// denyKey keeps an API key, which bears its owner's id, from its owner's data.
func denyKey() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if v, _ := auth.From(ctx); v.Key != "" {
			return privacy.Denyf("an API key may not reach its owner's data")
		}
		return privacy.Skip
	})
}

func allowSystem() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if v, _ := auth.From(ctx); v.System() {
			return privacy.Allow
		}
		return privacy.Skip
	})
}

func allowAdmin() privacy.QueryRule {
	return privacy.QueryRuleFunc(func(ctx context.Context, _ ent.Query) error {
		if v, _ := auth.From(ctx); v.Admin() {
			return privacy.Allow
		}
		return privacy.Skip
	})
}

// filterOwner narrows queries, updates and deletes to the viewer's rows, so
// that a stranger's row looks as if it did not exist.
func filterOwner(field string) privacy.FilterFunc {
	return func(ctx context.Context, f privacy.Filter) error {
		v, _ := auth.From(ctx)
		f.Where(entql.FieldEQ(field, v.ID))
		return privacy.Allow
	}
}

// filterOwnerOrPublic narrows queries to the viewer's rows and the public ones.
func filterOwnerOrPublic(field, visibility string) privacy.FilterFunc {
	return func(ctx context.Context, f privacy.Filter) error {
		v, _ := auth.From(ctx)
		f.Where(entql.Or(entql.FieldEQ(field, v.ID), entql.FieldEQ(visibility, "PUBLIC")))
		return privacy.Allow
	}
}

// createOwn refuses a new row that belongs to somebody else.
func createOwn(field string) privacy.MutationRule {
	return privacy.MutationRuleFunc(func(ctx context.Context, m ent.Mutation) error {
		if !m.Op().Is(ent.OpCreate) {
			return privacy.Skip
		}
		v, _ := auth.From(ctx)
		if owner, ok := m.Field(field); ok && v.ID != "" && owner == ent.Value(v.ID) {
			return privacy.Allow
		}
		return privacy.Denyf("a viewer may create only their own rows")
	})
}
