package app

import (
	"testing"

	"parley/e2e/gqlclient"
	"parley/internal/apperr"
	"parley/internal/auth"
)

// The command is another process: the running one is told by the event log.
func TestTheCommandThatSetsARoleEndsTheSocketsOfTheAccount(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		email, refresh := w.account(t)
		var got struct {
			Refresh struct {
				AccessToken string
				Viewer      struct{ ID string }
			}
		}
		w.Anonymous.Must(t, `mutation($r: String!) { refresh(input: {refreshToken: $r}) { accessToken viewer { id } } }`, gqlclient.Vars{"r": refresh}, &got)
		c := w.Anonymous.As(got.Refresh.AccessToken)
		s, stays := c.MustDial(t), w.Owner.MustDial(t)
		u, err := SetUserRole(t.Context(), w.cfg, email, auth.RoleAnalyst)
		if err != nil || u.ID != got.Refresh.Viewer.ID || u.Role != "ANALYST" {
			t.Fatalf("%v, %v", u, err)
		}
		if code := s.Closed(t); code != 4403 {
			t.Errorf("closed with %d", code)
		}
		if r, _ := stays.Subscribe(t, "{ viewer { id } }", nil).Next(t); r.Err() != nil {
			t.Error(r.Err())
		}
		if _, err := c.Dial(t.Context()); err == nil {
			t.Error("a token of the old role opens a socket")
		}
		if _, err := SetUserRole(t.Context(), w.cfg, "nobody@example.org", auth.RoleAnalyst); !apperr.Is(err, apperr.NotFound) {
			t.Errorf("nobody's role: %v", err)
		}
	})
}

func TestSetRoleOverTheAPIEndsTheAdminsOwnSocketAfterItsAnswer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.user(t, auth.RoleAdmin) // so that one stays
		s := w.Admin.MustDial(t)
		stream := s.Subscribe(t, `mutation($u: ID!) { setRole(input: {userId: $u, role: USER}) { user { role } } }`, gqlclient.Vars{"u": w.IDs[w.Admin]})
		var got struct {
			SetRole struct{ User struct{ Role string } }
		}
		if !stream.Read(t, &got) || got.SetRole.User.Role != "USER" {
			t.Errorf("got %+v", got)
		}
		if code := s.Closed(t); code != 4403 {
			t.Errorf("closed with %d", code)
		}
	})
}
