package server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/auth"
)

const reauthenticate = `mutation($t: String!) { reauthenticate(input: {token: $t}) { expiresAt } }`

func TestReauthenticateGoesOnWithAnotherSessionOfTheAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.second()
		p := m.person(5 * time.Second)
		next := m.again(p, time.Hour)
		s := b.As(p.AccessToken).MustDial(t)
		stream := m.listening(s, p.User.ID)
		var got struct{ Reauthenticate struct{ ExpiresAt time.Time } }
		require.True(t, s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": next.AccessToken}).Read(t, &got),
			"it ends at %v, not %v", got.Reauthenticate.ExpiresAt, next.ExpiresAt)
		assert.True(t, got.Reauthenticate.ExpiresAt.Equal(next.ExpiresAt), "it ends at %v, not %v", got.Reauthenticate.ExpiresAt, next.ExpiresAt)
		// The first session's end and expiry do not matter any more.
		m.As(p.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		wantClosed(t, "the clock", b.As(m.again(p, 6*time.Second).AccessToken).MustDial(t), nil)
		works(t, s)
		for r, ok := stream.Try(); ok; r, ok = stream.Try() { // warnings at most
			require.NotNil(t, r, "the stream")
			require.NoError(t, r.Err(), "the stream")
		}
		// What is done on the socket now is the second session's doing.
		r, _ := s.Subscribe(t, "mutation { signOut { clientMutationId } }", nil).Next(t)
		assert.NoError(t, r.Err())
		wantClosed(t, "with the second session", s, stream)
		wantTurnedAway(t, "the second session", b.As(next.AccessToken))
	})
}

func TestAFailedReauthenticateChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		admin := m.of(auth.RoleAdmin)
		p, stranger := m.person(5*time.Second), m.person(time.Hour)
		ended := m.again(p, time.Hour)
		m.As(ended.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		_, machine := m.key(m.owner(), nil)
		s := m.As(p.AccessToken).MustDial(t)
		try := func(what, code, token string) {
			t.Helper()
			r, _ := s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": token}).Next(t)
			assert.Equal(t, code, r.Code(), "%s: %+v", what, r)
		}
		try("a stranger's token", "FORBIDDEN", stranger.AccessToken)
		try("a key", "FORBIDDEN", machine.Token)
		try("a session that has ended", "UNAUTHENTICATED", ended.AccessToken)
		try("nonsense", "UNAUTHENTICATED", "nonsense")
		try("nothing", "BAD_INPUT", "")
		tokens, err := auth.NewTokens([]byte(key), time.Hour)
		require.NoError(t, err)
		other, _, err := tokens.Issue(auth.Viewer{ID: p.User.ID, Role: auth.RoleAnalyst, Session: "sess_1"})
		require.NoError(t, err)
		try("another role", "FORBIDDEN", other)
		wantCode(t, "by HTTP", post(t, m.As(p.AccessToken), reauthenticate, gqlclient.Vars{"t": p.AccessToken}), 200, "BAD_INPUT")
		r, _ := m.MustDial(t).Subscribe(t, reauthenticate, gqlclient.Vars{"t": p.AccessToken}).Next(t)
		assert.Equal(t, "UNAUTHENTICATED", r.Code(), "on a socket of nobody's: %+v", r)
		// Neither the strangers' end nor their expiry is the socket's.
		m.As(stranger.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		_, err = m.accounts.SetRole(admin, stranger.User.ID, auth.RoleAnalyst)
		require.NoError(t, err)
		works(t, s)
		wantClosed(t, "at its first expiry", s, nil)
		assert.False(t, time.Now().Before(p.ExpiresAt), "it ended %v early", time.Until(p.ExpiresAt))
	})
}

func TestReauthenticateOfAKeyNeedsItsScopes(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		owner := m.owner()
		soon := time.Now().Add(time.Hour).Truncate(time.Second)
		first, c := m.key(owner, nil, auth.ScopeDialogsPush, auth.ScopePracticeRead)
		_, less := m.key(owner, nil, auth.ScopeDialogsPush)
		second, more := m.key(owner, &soon)
		_, foreign := m.key(m.owner(), nil)
		s := c.MustDial(t)
		for what, token := range map[string]string{"fewer scopes": less.Token, "another account's": foreign.Token} {
			r, _ := s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": token}).Next(t)
			assert.Equal(t, "FORBIDDEN", r.Code(), "%s: %+v", what, r)
		}
		var got struct {
			Reauthenticate struct{ ExpiresAt *time.Time }
		}
		if !s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": more.Token}).Read(t, &got) || got.Reauthenticate.ExpiresAt == nil || !got.Reauthenticate.ExpiresAt.Equal(soon) {
			t.Errorf("it ends at %v, not %v", got.Reauthenticate.ExpiresAt, soon)
		}
		_, err := m.accounts.RevokeKey(owner, first)
		require.NoError(t, err)
		works(t, s)
		_, endless := m.key(owner, nil)
		assert.True(t, s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": endless.Token}).Read(t, &got), "it ends at %v", got.Reauthenticate.ExpiresAt)
		assert.Nil(t, got.Reauthenticate.ExpiresAt, "it ends at %v", got.Reauthenticate.ExpiresAt)
		assert.True(t, s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": more.Token}).Read(t, &got), "no answer")
		_, err = m.accounts.RevokeKey(owner, second)
		require.NoError(t, err)
		wantClosed(t, "with the second key", s, nil)
	})
}
