package account_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

func TestAnAdminGivesRolesAndTheAccountsConnectionsAreTold(t *testing.T) {
	woken(t, func(t *testing.T, w world, wakes *atomic.Int64) {
		admin := w.signedIn(auth.RoleAdmin)
		s := w.signUp("ada@example.org")
		v := w.viewer(s)
		for range 2 { // the second changes nothing
			u, err := w.SetRole(admin, v.ID, auth.RoleAnalyst)
			require.NoError(t, err)
			require.Equal(t, v.ID, u.ID, "%v", u)
			require.EqualValues(t, "ANALYST", u.Role, "%v", u)
		}
		w.wantTold(v.ID, "RoleChanged "+v.ID+" ANALYST")
		assert.Equal(t, int64(1), wakes.Load(), "wakes")
		w.want(w.Confirm(t.Context(), v), apperr.Unauthenticated, "refresh the access token")
		next, err := w.refresh(s.RefreshToken)
		require.NoError(t, err)
		if v := w.viewer(next); v.Role != auth.RoleAnalyst || w.Confirm(t.Context(), v) != nil {
			t.Errorf("the next token gives %+v", v)
		}
	})
}

func TestOnlyAdminsGiveRoles(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		admin, second := w.signedIn(auth.RoleAdmin), w.signedIn(auth.RoleAdmin)
		user := w.viewer(w.signUp("ada@example.org")).ID
		try := func(code apperr.Code, words string, err error) {
			t.Helper()
			w.want(err, code, words)
		}
		for _, role := range []auth.Role{auth.RoleUser, auth.RoleAnalyst, auth.RoleService} {
			_, err := w.SetRole(w.signedIn(role), user, auth.RoleAdmin)
			try(apperr.Forbidden, string(role), err)
		}
		_, err := w.SetRole(t.Context(), user, auth.RoleAdmin)
		try(apperr.Unauthenticated, "Sign in first", err)
		_, err = w.SetRole(auth.With(t.Context(), auth.Viewer{ID: idOf(admin), Role: auth.RoleService, Key: "key_1"}), user, auth.RoleAdmin)
		try(apperr.Forbidden, "API key", err)
		_, err = w.SetRole(admin, store.NewID("user"), auth.RoleUser)
		try(apperr.NotFound, "no such user", err)
		_, err = w.SetRole(admin, store.NewID("note"), auth.RoleUser)
		try(apperr.NotFound, "Nothing of that kind", err)
		_, err = w.SetRole(admin, user, "KING")
		try(apperr.BadInput, "The roles are", err)
		// Whoever was demoted may not use what is left of the token.
		_, err = w.SetRole(admin, idOf(second), auth.RoleUser)
		require.NoError(t, err)
		_, err = w.SetRole(second, idOf(second), auth.RoleAdmin)
		try(apperr.Forbidden, "any more", err)
		w.wantTold(user)
	})
}

// Two admins who demote each other at once must not both succeed.
func TestTheLastAdminStays(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		first, second := w.signedIn(auth.RoleAdmin), w.signedIn(auth.RoleAdmin)
		failed := make(chan error, 2)
		for _, pair := range [][2]string{{idOf(first), idOf(second)}, {idOf(second), idOf(first)}} {
			go func() {
				_, err := w.SetRole(auth.With(t.Context(), auth.Viewer{ID: pair[0], Role: auth.RoleAdmin, Session: "s"}), pair[1], auth.RoleUser)
				failed <- err
			}()
		}
		won := 0
		for range 2 {
			if err := <-failed; err == nil {
				won++
			} else {
				w.want(err, apperr.Forbidden, "any more")
			}
		}
		assert.Equal(t, 1, won, "%d succeeded", won)
		left := first
		if told, _ := w.told(idOf(first)); len(told) > 0 {
			left = second
		}
		_, err := w.SetRole(left, idOf(left), auth.RoleAnalyst)
		w.want(err, apperr.Conflict, "last ADMIN")
		_, err = w.SetRole(left, idOf(left), auth.RoleAdmin)
		assert.NoError(t, err)
	})
}

func TestTheCommandLineGivesAnyRole(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		v := w.viewer(w.signUp("Ada@Example.org"))
		for _, role := range []auth.Role{auth.RoleAdmin, auth.RoleAdmin, auth.RoleUser} {
			u, err := w.Assign(t.Context(), " ada@example.org", role)
			assert.True(t, err == nil && u.ID == v.ID && string(u.Role) == string(role), "%v, %v", u, err)
		}
		w.wantTold(v.ID, "RoleChanged "+v.ID+" ADMIN", "RoleChanged "+v.ID+" USER")
		_, err := w.Assign(t.Context(), "bob@example.org", auth.RoleUser)
		w.want(err, apperr.NotFound, "no account with this e-mail address")
		_, err = w.Assign(t.Context(), "ada@example.org", "KING")
		w.want(err, apperr.BadInput, "The roles are")
	})
}
