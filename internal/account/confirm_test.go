package account_test

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// told gives the session events of an account as "type object state", and the
// version of the last.
func (w world) told(user string) (all []string, version int64) {
	w.t.Helper()
	err := w.store.Query(w.t.Context(), func(rows *sql.Rows) error {
		var words [3]string
		err := rows.Scan(&words[0], &words[1], &words[2], &version)
		all = append(all, strings.Join(words[:], " "))
		return err
	}, "SELECT type, object_id, state, version FROM events WHERE audience = ? AND topic = ? ORDER BY id", event.User(user), account.TopicSession)
	require.NoError(w.t, err)
	return all, version
}

func (w world) wantTold(user string, want ...string) {
	w.t.Helper()
	got, _ := w.told(user)
	assert.Equal(w.t, strings.Join(want, ", "), strings.Join(got, ", "), "told %v, want %v", got, want)
}

// viewer gives the viewer of a session's access token.
func (w world) viewer(s *account.Session) auth.Viewer {
	v, _ := auth.From(w.as(s))
	return v
}

// woken runs test on both databases with a service that counts its wakes.
func woken(t *testing.T, test func(t *testing.T, w world, wakes *atomic.Int64)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		wakes := new(atomic.Int64)
		w := newWorld(t, s, nil, account.Config{})
		w.log.OnCommit(func() { wakes.Add(1) })
		test(t, w, wakes)
	})
}

func TestTheConnectionsOfASessionAreToldOfItsRefreshesAndItsEnd(t *testing.T) {
	woken(t, func(t *testing.T, w world, wakes *atomic.Int64) {
		s := w.signUp("ada@example.org")
		other := w.signUp("bob@example.org")
		v := w.viewer(s)
		w.wantTold(v.ID)
		next, err := w.refresh(s.RefreshToken)
		require.NoError(t, err)
		extended, ended := "SessionChanged "+v.Session+" EXTENDED", "SessionChanged "+v.Session+" ENDED"
		w.wantTold(v.ID, extended)
		_, until := w.told(v.ID)
		assert.Equal(t, next.ExpiresAt.Unix(), until, "extended until %d, want %v", until, next.ExpiresAt)
		assert.Equal(t, int64(1), wakes.Load(), "wakes")
		for range 2 { // the second changes nothing
			require.NoError(t, w.SignOut(w.as(s)))
		}
		w.wantTold(v.ID, extended, ended)
		w.wantTold(other.User.ID)
		assert.Equal(t, int64(2), wakes.Load(), "wakes")
	})
}

func TestAStolenRefreshTokenEndsTheConnectionsOfItsSession(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		s := w.signUp("ada@example.org")
		v := w.viewer(s)
		_, err := w.refresh(s.RefreshToken)
		require.NoError(t, err)
		for range 2 {
			_, err := w.refresh(s.RefreshToken)
			w.want(err, apperr.Unauthenticated, "sign in again")
		}
		w.wantTold(v.ID, "SessionChanged "+v.Session+" EXTENDED", "SessionChanged "+v.Session+" ENDED")
		w.want(w.Confirm(t.Context(), v), apperr.Unauthenticated, "session has ended: sign in again")
	})
}

func TestARevokedKeyIsTold(t *testing.T) {
	woken(t, func(t *testing.T, w world, wakes *atomic.Int64) {
		owner := w.signedIn(auth.RoleService)
		key, secret := w.key(owner, auth.ScopeDialogsErase)
		v, err := w.Verify(t.Context(), secret)
		require.NoError(t, err)
		assert.NoError(t, w.Confirm(t.Context(), v))
		for range 2 {
			_, err := w.RevokeKey(owner, key.ID)
			require.NoError(t, err)
		}
		w.wantTold(idOf(owner), "KeyRevoked "+key.ID+" ")
		assert.Equal(t, int64(1), wakes.Load(), "wakes")
		w.want(w.Confirm(t.Context(), v), apperr.Unauthenticated, "API key is not valid here")
	})
}

func TestConfirmAsksTheDatabaseWhoMayStay(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		s, other := w.signUp("ada@example.org"), w.signUp("bob@example.org")
		v, stranger := w.viewer(s), w.viewer(other)
		confirm := func(change func(v *auth.Viewer)) error {
			changed := v
			change(&changed)
			return w.Confirm(t.Context(), changed)
		}
		for range 2 {
			assert.NoError(t, w.Confirm(t.Context(), v))
			var err error
			s, err = w.refresh(s.RefreshToken)
			require.NoError(t, err)
		}
		w.want(confirm(func(v *auth.Viewer) { v.Session = stranger.Session }), apperr.Unauthenticated, "session has ended")
		w.want(confirm(func(v *auth.Viewer) { v.Session = "" }), apperr.Unauthenticated, "session has ended")
		w.want(confirm(func(v *auth.Viewer) { v.ID = store.NewID("user") }), apperr.Unauthenticated, "no longer exists")
		w.want(confirm(func(v *auth.Viewer) { v.Role = auth.RoleAdmin }), apperr.Unauthenticated, "refresh the access token")
		w.want(confirm(func(v *auth.Viewer) { v.Key = store.NewID("key") }), apperr.Unauthenticated, "API key is not valid")
		require.NoError(t, w.SignOut(w.as(other)))
		w.want(w.Confirm(t.Context(), stranger), apperr.Unauthenticated, "sign in again")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, w.Confirm(gone, v), context.Canceled, "a call that nobody waits for")
	})
}

func TestAKeyMayStayAsLongAsItsOwnerMayHaveKeys(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		admin, owner := w.signedIn(auth.RoleAdmin), w.signedIn(auth.RoleService)
		_, secret := w.key(owner, auth.ScopeDialogsErase)
		v, err := w.Verify(t.Context(), secret)
		require.NoError(t, err)
		for _, role := range []auth.Role{auth.RoleAdmin, auth.RoleUser, auth.RoleAnalyst, auth.RoleService} {
			_, err := w.SetRole(admin, idOf(owner), role)
			require.NoError(t, err)
			may := role == auth.RoleAdmin || role == auth.RoleService
			err = w.Confirm(t.Context(), v)
			assert.False(t, may && err != nil || !may && !apperr.Is(err, apperr.Unauthenticated), "the key of a %s: %v", role, err)
		}
		v.Expires = time.Now().Add(-time.Second)
		w.want(w.Confirm(t.Context(), v), apperr.Unauthenticated, "API key has expired")
	})
}

func TestWithoutItsDatabaseConfirmRefusesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{})
	v := w.viewer(w.signUp("ada@example.org"))
	require.NoError(t, w.store.Close())
	w.want(w.Confirm(t.Context(), v), apperr.Unavailable, "Try again soon")
}
