package account_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	if err != nil {
		w.t.Fatal(err)
	}
	return all, version
}

func (w world) wantTold(user string, want ...string) {
	w.t.Helper()
	if got, _ := w.told(user); strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Errorf("told %v, want %v", got, want)
	}
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
		if err != nil {
			t.Fatal(err)
		}
		extended, ended := "SessionChanged "+v.Session+" EXTENDED", "SessionChanged "+v.Session+" ENDED"
		w.wantTold(v.ID, extended)
		if _, until := w.told(v.ID); until != next.ExpiresAt.Unix() {
			t.Errorf("extended until %d, want %v", until, next.ExpiresAt)
		}
		if n := wakes.Load(); n != 1 {
			t.Errorf("%d wakes", n)
		}
		for range 2 { // the second changes nothing
			if err := w.SignOut(w.as(s)); err != nil {
				t.Fatal(err)
			}
		}
		w.wantTold(v.ID, extended, ended)
		w.wantTold(other.User.ID)
		if n := wakes.Load(); n != 2 {
			t.Errorf("%d wakes", n)
		}
	})
}

func TestAStolenRefreshTokenEndsTheConnectionsOfItsSession(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		s := w.signUp("ada@example.org")
		v := w.viewer(s)
		if _, err := w.refresh(s.RefreshToken); err != nil {
			t.Fatal(err)
		}
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
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Confirm(t.Context(), v); err != nil {
			t.Error(err)
		}
		for range 2 {
			if _, err := w.RevokeKey(owner, key.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.wantTold(idOf(owner), "KeyRevoked "+key.ID+" ")
		if n := wakes.Load(); n != 1 {
			t.Errorf("%d wakes", n)
		}
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
			if err := w.Confirm(t.Context(), v); err != nil {
				t.Error(err)
			}
			var err error
			if s, err = w.refresh(s.RefreshToken); err != nil {
				t.Fatal(err)
			}
		}
		w.want(confirm(func(v *auth.Viewer) { v.Session = stranger.Session }), apperr.Unauthenticated, "session has ended")
		w.want(confirm(func(v *auth.Viewer) { v.Session = "" }), apperr.Unauthenticated, "session has ended")
		w.want(confirm(func(v *auth.Viewer) { v.ID = store.NewID("user") }), apperr.Unauthenticated, "no longer exists")
		w.want(confirm(func(v *auth.Viewer) { v.Role = auth.RoleAdmin }), apperr.Unauthenticated, "refresh the access token")
		w.want(confirm(func(v *auth.Viewer) { v.Key = store.NewID("key") }), apperr.Unauthenticated, "API key is not valid")
		if err := w.SignOut(w.as(other)); err != nil {
			t.Fatal(err)
		}
		w.want(w.Confirm(t.Context(), stranger), apperr.Unauthenticated, "sign in again")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Confirm(gone, v); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that nobody waits for: %v", err)
		}
	})
}

func TestAKeyMayStayAsLongAsItsOwnerMayHaveKeys(t *testing.T) {
	woken(t, func(t *testing.T, w world, _ *atomic.Int64) {
		admin, owner := w.signedIn(auth.RoleAdmin), w.signedIn(auth.RoleService)
		_, secret := w.key(owner, auth.ScopeDialogsErase)
		v, err := w.Verify(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range []auth.Role{auth.RoleAdmin, auth.RoleUser, auth.RoleAnalyst, auth.RoleService} {
			if _, err := w.SetRole(admin, idOf(owner), role); err != nil {
				t.Fatal(err)
			}
			may := role == auth.RoleAdmin || role == auth.RoleService
			if err := w.Confirm(t.Context(), v); may && err != nil || !may && !apperr.Is(err, apperr.Unauthenticated) {
				t.Errorf("the key of a %s: %v", role, err)
			}
		}
		v.Expires = time.Now().Add(-time.Second)
		w.want(w.Confirm(t.Context(), v), apperr.Unauthenticated, "API key has expired")
	})
}

func TestWithoutItsDatabaseConfirmRefusesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{})
	v := w.viewer(w.signUp("ada@example.org"))
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.want(w.Confirm(t.Context(), v), apperr.Unavailable, "Try again soon")
}
