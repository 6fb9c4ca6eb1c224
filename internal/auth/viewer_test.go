package auth

import (
	"context"
	"errors"
	"testing"

	"parley/internal/apperr"
)

func TestRequireGivesUsersOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if v, err := Require(With(ctx, Viewer{ID: "user_1", Role: RoleUser})); err != nil || v.ID != "user_1" {
		t.Errorf("%+v, %v", v, err)
	}
	why := apperr.New(apperr.Unauthenticated, "expired")
	if _, err := Require(Refused(ctx, why)); !errors.Is(err, why) {
		t.Errorf("a refused token gives %v", err)
	}
	if v, err := Require(Refused(With(ctx, Viewer{ID: "user_1"}), why)); err != nil || v.ID != "user_1" {
		t.Errorf("a viewer beside a refused token: %+v, %v", v, err)
	}
	for name, ctx := range map[string]context.Context{
		"nobody": ctx, "system": System(ctx, "test"), "empty": With(ctx, Viewer{Role: RoleAdmin}),
	} {
		if _, err := Require(ctx); !apperr.Is(err, apperr.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeesIsOneselfAdminsAndTheSystem(t *testing.T) {
	t.Parallel()
	system, _ := From(System(t.Context(), "test"))
	for _, test := range []struct {
		v    Viewer
		want bool
	}{
		{Viewer{ID: "a", Role: RoleUser}, true}, {Viewer{ID: "b", Role: RoleUser}, false},
		{Viewer{ID: "b", Role: RoleAnalyst}, false}, {Viewer{ID: "b", Role: RoleService}, false},
		{Viewer{ID: "b", Role: RoleAdmin}, true}, {Viewer{}, false}, {system, true},
	} {
		if got := test.v.Sees("a"); got != test.want {
			t.Errorf("%+v sees a's: %v", test.v, got)
		}
	}
	if (Viewer{}).Sees("") {
		t.Error("nobody sees what belongs to nobody")
	}
	if !system.System() || system.Admin() || system.ID != "" {
		t.Errorf("the system is %+v", system)
	}
}

func TestRolesAreValidAndNothingElseIs(t *testing.T) {
	t.Parallel()
	for _, r := range Roles() {
		if !r.Valid() {
			t.Errorf("%s is not valid", r)
		}
	}
	for _, r := range []Role{"", "admin", "ROOT"} {
		if r.Valid() {
			t.Errorf("%s is valid", r)
		}
	}
}
