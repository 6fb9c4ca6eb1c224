package auth

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/internal/apperr"
)

func TestASetOfScopesHoldsWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	all := AllScopes()
	for subset := range 1 << len(all) {
		var list []Scope
		for i, s := range all {
			if subset>>i&1 == 1 {
				list = append(list, s, s, "ROOT", "")
			}
		}
		set := ScopesOf(list...)
		for i, s := range all {
			want := subset>>i&1 == 1
			assert.Equal(t, want, set.Has(s), "%v has %s: %v", list, s, !want)
		}
		assert.False(t, set.Has(), "%v has what is no scope", list)
		assert.False(t, set.Has("ROOT", ""), "%v has what is no scope", list)
		assert.Equal(t, subset != 0, set.Has(all...), "%v has one of all: %v", list, subset == 0)
	}
	for _, s := range []Scope{"", "ROOT", "dialogs_push", "DIALOGS_PUSH "} {
		assert.False(t, s.Valid(), "%q is a scope", s)
		assert.Zero(t, ScopesOf(s), "%q is a scope", s)
	}
	for _, s := range all {
		assert.True(t, s.Valid(), "%s is not valid", s)
	}
}

func TestAScopeIsRequiredOfKeysAndHeldByServices(t *testing.T) {
	t.Parallel()
	key := func(scopes ...Scope) Viewer {
		return Viewer{ID: "user_1", Role: RoleService, Key: "key_1", Scopes: ScopesOf(scopes...)}
	}
	for name, test := range map[string]struct {
		v    Viewer
		code apperr.Code
		says string
	}{
		"a key with it":            {key(ScopeDialogsPush), "", ""},
		"a key with the other":     {key(ScopeDialogsConsent, ScopePracticeRead), "", ""},
		"a key without":            {key(ScopeDialogsErase, ScopePracticeRecord), apperr.Forbidden, "This API key lacks the scope DIALOGS_PUSH or DIALOGS_CONSENT."},
		"a key without any":        {key(), apperr.Forbidden, "This API key lacks the scope DIALOGS_PUSH or DIALOGS_CONSENT."},
		"a service":                {Viewer{ID: "user_1", Role: RoleService}, "", ""},
		"a service's other scopes": {Viewer{ID: "user_1", Role: RoleService, Scopes: ScopesOf(ScopeDialogsErase)}, "", ""},
		"a user":                   {Viewer{ID: "user_1", Role: RoleUser}, apperr.Forbidden, "This needs an API key with the scope DIALOGS_PUSH or DIALOGS_CONSENT."},
		"an analyst":               {Viewer{ID: "user_1", Role: RoleAnalyst}, apperr.Forbidden, "This needs an API key"},
		"an admin":                 {Viewer{ID: "user_1", Role: RoleAdmin}, apperr.Forbidden, "This needs an API key"},
		"nobody":                   {Viewer{}, apperr.Unauthenticated, "Sign in first"},
		"a key of nobody":          {Viewer{Role: RoleService, Key: "key_1", Scopes: ScopesOf(AllScopes()...)}, apperr.Unauthenticated, "Sign in first"},
		"a user in a key's name":   {key(ScopeDialogsPush).For("xu_1"), apperr.Forbidden, "This needs an API key"},
	} {
		v, err := RequireScope(With(t.Context(), test.v), ScopeDialogsPush, ScopeDialogsConsent)
		if test.code == "" {
			assert.NoError(t, err, name)
			assert.True(t, v == test.v, "%s: %+v", name, v)
			continue
		}
		if e := apperr.List(err); v != (Viewer{}) || len(e) != 1 || e[0].Code != test.code || len(e[0].Message) < len(test.says) || e[0].Message[:len(test.says)] != test.says {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestAKeyIsForbiddenWhatUsersMay(t *testing.T) {
	t.Parallel()
	key := Viewer{ID: "user_1", Role: RoleService, Key: "key_1", Scopes: ScopesOf(AllScopes()...)}
	admins := key
	admins.Role = RoleAdmin // no key has this role; if one had, it would not help
	for _, v := range []Viewer{key, admins} {
		ctx := With(t.Context(), v)
		got, err := RequireAny(ctx)
		assert.NoError(t, err, "RequireAny")
		assert.True(t, got == v, "RequireAny gives %+v", got)
		for name, err := range map[string]error{
			"Require":     second(Require(ctx)),
			"RequireRole": second(RequireRole(ctx, Roles()...)),
		} {
			assert.True(t, apperr.Is(err, apperr.Forbidden), "%s: %v", name, err)
		}
	}
}

func second(_ Viewer, err error) error { return err }

func TestARoleIsOneOfThoseThatAreRequired(t *testing.T) {
	t.Parallel()
	for _, role := range Roles() {
		v := Viewer{ID: "user_1", Role: role}
		got, err := RequireRole(With(t.Context(), v), RoleAnalyst, RoleAdmin)
		want := role == RoleAnalyst || role == RoleAdmin
		assert.False(t, want && (err != nil || got != v) || !want && !apperr.Is(err, apperr.Forbidden), "%s: %+v, %v", role, got, err)
	}
	_, err := RequireRole(With(t.Context(), Viewer{ID: "user_1", Role: RoleAdmin}))
	assert.True(t, apperr.Is(err, apperr.Forbidden), "none of no roles: %v", err)
	_, err = RequireRole(t.Context(), RoleAdmin)
	assert.True(t, apperr.Is(err, apperr.Unauthenticated), "nobody: %v", err)
}

func TestRequireAnyGivesKeysAndUsersOnly(t *testing.T) {
	t.Parallel()
	why := apperr.New(apperr.Unauthenticated, "revoked")
	for name, ctx := range map[string]context.Context{
		"nobody": t.Context(), "system": System(t.Context(), "test"), "an empty key": With(t.Context(), Viewer{Key: "key_1"}),
	} {
		_, err := RequireAny(ctx)
		assert.True(t, apperr.Is(err, apperr.Unauthenticated), "%s: %v", name, err)
		_, err = RequireAny(Refused(ctx, why))
		assert.ErrorIs(t, err, why, "%s with a refused token", name)
	}
}

func TestAMachineThatActsForAUserKeepsNoneOfItsRights(t *testing.T) {
	t.Parallel()
	admin := Viewer{ID: "user_1", Role: RoleAdmin, Session: "sess_1"}
	key := Viewer{ID: "user_1", Role: RoleService, Key: "key_1", Scopes: ScopesOf(AllScopes()...)}
	for _, v := range []Viewer{admin, key} {
		user := v.For("xu_1")
		if user.ID != "xu_1" || user.Role != RoleUser || user.Key != "" || user.Session != "" || user.Scopes != 0 || user.Admin() || user.System() || user.Sees("user_1") || !user.Sees("xu_1") {
			t.Errorf("%+v became %+v", v, user)
		}
	}
	system, _ := From(System(t.Context(), "test"))
	user := system.For("xu_1")
	assert.False(t, user.System(), "the system became %+v", user)
}

func TestOnlyThePrefixMakesAKey(t *testing.T) {
	t.Parallel()
	secret, err := NewSecret(KeyPrefix)
	assert.NoError(t, err, secret)
	assert.True(t, IsKey(secret), secret)
	assert.True(t, IsKey("pak_"), secret)
	for _, token := range []string{"", "pak", "PAK_x", " pak_x", "prt_x", "eyJhbGciOiJIUzI1NiJ9.e30.x"} {
		assert.False(t, IsKey(token), "%q is a key", token)
	}
}
