package auth

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/internal/apperr"
)

func TestRequireGivesUsersOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	v, err := Require(With(ctx, Viewer{ID: "user_1", Role: RoleUser}))
	assert.NoError(t, err)
	assert.Equal(t, "user_1", v.ID, "%+v", v)
	why := apperr.New(apperr.Unauthenticated, "expired")
	_, err = Require(Refused(ctx, why))
	assert.ErrorIs(t, err, why, "a refused token")
	v, err = Require(Refused(With(ctx, Viewer{ID: "user_1"}), why))
	assert.NoError(t, err, "a viewer beside a refused token")
	assert.Equal(t, "user_1", v.ID, "a viewer beside a refused token: %+v", v)
	for name, ctx := range map[string]context.Context{
		"nobody": ctx, "system": System(ctx, "test"), "empty": With(ctx, Viewer{Role: RoleAdmin}),
	} {
		_, err := Require(ctx)
		assert.True(t, apperr.Is(err, apperr.Unauthenticated), "%s: %v", name, err)
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
		assert.Equal(t, test.want, test.v.Sees("a"), "%+v sees a's", test.v)
	}
	assert.False(t, (Viewer{}).Sees(""), "nobody sees what belongs to nobody")
	assert.True(t, system.System(), "the system is %+v", system)
	assert.False(t, system.Admin(), "the system is %+v", system)
	assert.Empty(t, system.ID, "the system is %+v", system)
}

func TestRolesAreValidAndNothingElseIs(t *testing.T) {
	t.Parallel()
	for _, r := range Roles() {
		assert.True(t, r.Valid(), "%s is not valid", r)
	}
	for _, r := range []Role{"", "admin", "ROOT"} {
		assert.False(t, r.Valid(), "%s is valid", r)
	}
}
