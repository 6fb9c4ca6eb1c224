package auth

import (
	"context"
	"errors"
	"testing"

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
			if want := subset>>i&1 == 1; set.Has(s) != want {
				t.Errorf("%v has %s: %v", list, s, !want)
			}
		}
		if set.Has() || set.Has("ROOT", "") {
			t.Errorf("%v has what is no scope", list)
		}
		if set.Has(all...) != (subset != 0) {
			t.Errorf("%v has one of all: %v", list, subset == 0)
		}
	}
	for _, s := range []Scope{"", "ROOT", "dialogs_push", "DIALOGS_PUSH "} {
		if s.Valid() || ScopesOf(s) != 0 {
			t.Errorf("%q is a scope", s)
		}
	}
	for _, s := range all {
		if !s.Valid() {
			t.Errorf("%s is not valid", s)
		}
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
			if err != nil || v != test.v {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
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
		if got, err := RequireAny(ctx); err != nil || got != v {
			t.Errorf("RequireAny gives %+v, %v", got, err)
		}
		for name, err := range map[string]error{
			"Require":     second(Require(ctx)),
			"RequireRole": second(RequireRole(ctx, Roles()...)),
		} {
			if !apperr.Is(err, apperr.Forbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func second(_ Viewer, err error) error { return err }

func TestARoleIsOneOfThoseThatAreRequired(t *testing.T) {
	t.Parallel()
	for _, role := range Roles() {
		v := Viewer{ID: "user_1", Role: role}
		got, err := RequireRole(With(t.Context(), v), RoleAnalyst, RoleAdmin)
		if want := role == RoleAnalyst || role == RoleAdmin; want && (err != nil || got != v) || !want && !apperr.Is(err, apperr.Forbidden) {
			t.Errorf("%s: %+v, %v", role, got, err)
		}
	}
	if _, err := RequireRole(With(t.Context(), Viewer{ID: "user_1", Role: RoleAdmin})); !apperr.Is(err, apperr.Forbidden) {
		t.Errorf("none of no roles: %v", err)
	}
	if _, err := RequireRole(t.Context(), RoleAdmin); !apperr.Is(err, apperr.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
}

func TestRequireAnyGivesKeysAndUsersOnly(t *testing.T) {
	t.Parallel()
	why := apperr.New(apperr.Unauthenticated, "revoked")
	for name, ctx := range map[string]context.Context{
		"nobody": t.Context(), "system": System(t.Context(), "test"), "an empty key": With(t.Context(), Viewer{Key: "key_1"}),
	} {
		if _, err := RequireAny(ctx); !apperr.Is(err, apperr.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := RequireAny(Refused(ctx, why)); !errors.Is(err, why) {
			t.Errorf("%s with a refused token: %v", name, err)
		}
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
	if user := system.For("xu_1"); user.System() {
		t.Errorf("the system became %+v", user)
	}
}

func TestOnlyThePrefixMakesAKey(t *testing.T) {
	t.Parallel()
	secret, err := NewSecret(KeyPrefix)
	if err != nil || !IsKey(secret) || !IsKey("pak_") {
		t.Errorf("%s, %v", secret, err)
	}
	for _, token := range []string{"", "pak", "PAK_x", " pak_x", "prt_x", "eyJhbGciOiJIUzI1NiJ9.e30.x"} {
		if IsKey(token) {
			t.Errorf("%q is a key", token)
		}
	}
}
