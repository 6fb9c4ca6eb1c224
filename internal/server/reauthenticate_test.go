package server_test

import (
	"testing"
	"time"

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
		if !s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": next.AccessToken}).Read(t, &got) || !got.Reauthenticate.ExpiresAt.Equal(next.ExpiresAt) {
			t.Errorf("it ends at %v, not %v", got.Reauthenticate.ExpiresAt, next.ExpiresAt)
		}
		// The first session's end and expiry do not matter any more.
		m.As(p.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		wantClosed(t, "the clock", b.As(m.again(p, 6*time.Second).AccessToken).MustDial(t), nil)
		works(t, s)
		for r, ok := stream.Try(); ok; r, ok = stream.Try() { // warnings at most
			if r == nil || r.Err() != nil {
				t.Fatalf("the stream says %+v", r)
			}
		}
		// What is done on the socket now is the second session's doing.
		if r, _ := s.Subscribe(t, "mutation { signOut { clientMutationId } }", nil).Next(t); r.Err() != nil {
			t.Error(r.Err())
		}
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
			if r, _ := s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": token}).Next(t); r.Code() != code {
				t.Errorf("%s: %+v, want %s", what, r, code)
			}
		}
		try("a stranger's token", "FORBIDDEN", stranger.AccessToken)
		try("a key", "FORBIDDEN", machine.Token)
		try("a session that has ended", "UNAUTHENTICATED", ended.AccessToken)
		try("nonsense", "UNAUTHENTICATED", "nonsense")
		try("nothing", "BAD_INPUT", "")
		tokens, err := auth.NewTokens([]byte(key), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		other, _, err := tokens.Issue(auth.Viewer{ID: p.User.ID, Role: auth.RoleAnalyst, Session: "sess_1"})
		if err != nil {
			t.Fatal(err)
		}
		try("another role", "FORBIDDEN", other)
		wantCode(t, "by HTTP", post(t, m.As(p.AccessToken), reauthenticate, gqlclient.Vars{"t": p.AccessToken}), 200, "BAD_INPUT")
		if r, _ := m.MustDial(t).Subscribe(t, reauthenticate, gqlclient.Vars{"t": p.AccessToken}).Next(t); r.Code() != "UNAUTHENTICATED" {
			t.Errorf("on a socket of nobody's: %+v", r)
		}
		// Neither the strangers' end nor their expiry is the socket's.
		m.As(stranger.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		if _, err := m.accounts.SetRole(admin, stranger.User.ID, auth.RoleAnalyst); err != nil {
			t.Fatal(err)
		}
		works(t, s)
		wantClosed(t, "at its first expiry", s, nil)
		if time.Now().Before(p.ExpiresAt) {
			t.Errorf("it ended %v early", time.Until(p.ExpiresAt))
		}
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
			if r, _ := s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": token}).Next(t); r.Code() != "FORBIDDEN" {
				t.Errorf("%s: %+v", what, r)
			}
		}
		var got struct {
			Reauthenticate struct{ ExpiresAt *time.Time }
		}
		if !s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": more.Token}).Read(t, &got) || got.Reauthenticate.ExpiresAt == nil || !got.Reauthenticate.ExpiresAt.Equal(soon) {
			t.Errorf("it ends at %v, not %v", got.Reauthenticate.ExpiresAt, soon)
		}
		if _, err := m.accounts.RevokeKey(owner, first); err != nil {
			t.Fatal(err)
		}
		works(t, s)
		_, endless := m.key(owner, nil)
		if !s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": endless.Token}).Read(t, &got) || got.Reauthenticate.ExpiresAt != nil {
			t.Errorf("it ends at %v", got.Reauthenticate.ExpiresAt)
		}
		if !s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": more.Token}).Read(t, &got) {
			t.Error("no answer")
		}
		if _, err := m.accounts.RevokeKey(owner, second); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, "with the second key", s, nil)
	})
}
