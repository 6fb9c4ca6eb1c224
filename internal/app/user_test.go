package app

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		require.NoError(t, err)
		require.Equal(t, got.Refresh.Viewer.ID, u.ID, "%v", u)
		require.EqualValues(t, "ANALYST", u.Role, "%v", u)
		assert.Equal(t, 4403, s.Closed(t))
		r, _ := stays.Subscribe(t, "{ viewer { id } }", nil).Next(t)
		assert.NoError(t, r.Err())
		_, err = c.Dial(t.Context())
		assert.Error(t, err, "a token of the old role opens a socket")
		_, err = SetUserRole(t.Context(), w.cfg, "nobody@example.org", auth.RoleAnalyst)
		assert.True(t, apperr.Is(err, apperr.NotFound), "nobody's role: %v", err)
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
		assert.True(t, stream.Read(t, &got), "got %+v", got)
		assert.Equal(t, "USER", got.SetRole.User.Role, "got %+v", got)
		assert.Equal(t, 4403, s.Closed(t))
	})
}
