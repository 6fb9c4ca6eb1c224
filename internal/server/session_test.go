package server_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/server"
)

// wantClosed waits for the end of a socket and of its stream.
func wantClosed(t *testing.T, what string, s *gqlclient.Socket, stream *gqlclient.Stream) {
	t.Helper()
	assert.Equal(t, 4403, s.Closed(t), what)
	if stream == nil {
		return
	}
	r, more := stream.Next(t)
	assert.False(t, more, "%s: the stream goes on with %+v", what, r)
}

// wantTurnedAway tries to open a socket.
func wantTurnedAway(t *testing.T, what string, c *gqlclient.Client) {
	t.Helper()
	s, err := c.Dial(t.Context())
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed, what)
	assert.Equal(t, 4403, closed.Code, what)
	if err == nil {
		s.Close()
	}
}

func TestSigningOutEndsTheSocketsOfTheSessionInEveryProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.second()
		first := m.person(time.Hour)
		other := m.again(first, time.Hour)
		onA, onB := m.As(first.AccessToken).MustDial(t), b.As(first.AccessToken).MustDial(t)
		stays := b.As(other.AccessToken).MustDial(t)
		streams := []*gqlclient.Stream{m.listening(onA, first.User.ID), m.listening(onB, first.User.ID)}
		open := m.listening(stays, first.User.ID)
		m.As(first.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		for i, s := range []*gqlclient.Socket{onA, onB} {
			assert.Equal(t, 4403, s.Closed(t))
			for more := true; more; { // what came before
				_, more = streams[i].Next(t)
			}
		}
		works(t, stays)
		for r, ok := open.Try(); ok; r, ok = open.Try() { // what the others' streams were opened with
			require.NotNil(t, r, "the other session's stream")
			require.NoError(t, r.Err(), "the other session's stream")
		}
		for _, p := range []*process{m.process, b} {
			wantTurnedAway(t, "the token of a session that was signed out", p.As(first.AccessToken))
		}
	})
}

func TestSigningOutOverTheSocketAnswersFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		for range 20 {
			s := m.As(m.person(time.Hour).AccessToken).MustDial(t)
			stream := s.Subscribe(t, `mutation { signOut(input: {clientMutationId: "x"}) { clientMutationId } }`, nil)
			r, ok := stream.Next(t)
			require.True(t, ok, "signOut gave %+v", r)
			require.NoError(t, r.Err(), "signOut")
			wantClosed(t, "after signOut", s, stream)
		}
	})
}

func TestAStolenRefreshTokenEndsItsSessionsSockets(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		p := m.person(time.Hour)
		s := m.As(p.AccessToken).MustDial(t)
		refresh := `mutation($r: String!) { refresh(input: {refreshToken: $r}) { accessToken } }`
		m.Must(t, refresh, gqlclient.Vars{"r": p.RefreshToken}, nil)
		works(t, s)
		wantCode(t, "a token that was used", post(t, m.Client, refresh, gqlclient.Vars{"r": p.RefreshToken}), 200, "UNAUTHENTICATED")
		wantClosed(t, "the session of a stolen token", s, nil)
	})
}

// The clock is the socket of a session that nobody refreshes: when it closes,
// the first expiry of the other has passed.
func TestRefreshingInOneProcessExtendsTheSocketsInAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.second()
		p := m.person(4 * time.Second)
		s := b.As(p.AccessToken).MustDial(t)
		stream := m.listening(s, p.User.ID)
		clock := b.As(m.again(p, 5*time.Second).AccessToken).MustDial(t)
		m.Must(t, `mutation($r: String!) { refresh(input: {refreshToken: $r}) { accessToken } }`, gqlclient.Vars{"r": p.RefreshToken}, nil)
		wantClosed(t, "at its expiry", clock, nil)
		assert.False(t, time.Now().Before(p.ExpiresAt), "the clock is %v early", time.Until(p.ExpiresAt))
		works(t, s)
		m.tell(p.User.ID, dialog.TopicDialogs, dialog.TypeConsentChanged, "dlg_later")
		for seen := ""; seen != "dlg_later"; {
			var got struct{ Events struct{ ID string } }
			require.True(t, stream.Read(t, &got), "the stream ended")
			seen = got.Events.ID
		}
	})
}

func TestAnotherRoleEndsTheSocketsOfTheAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.second()
		admin := m.of(auth.RoleAdmin)
		p := m.person(time.Hour)
		onA, onB, bystander := m.As(p.AccessToken).MustDial(t), b.As(p.AccessToken).MustDial(t), b.As(m.person(time.Hour).AccessToken).MustDial(t)
		_, err := m.accounts.SetRole(admin, p.User.ID, auth.RoleAnalyst)
		require.NoError(t, err)
		wantClosed(t, "on one process", onA, nil)
		wantClosed(t, "on the other", onB, nil)
		works(t, bystander)
		wantTurnedAway(t, "a token of the old role", b.As(p.AccessToken))
		next, err := m.accounts.Refresh(t.Context(), account.RefreshInput{RefreshToken: p.RefreshToken})
		require.NoError(t, err)
		s := b.As(next.AccessToken).MustDial(t)
		works(t, s)
		_, err = m.another(0).Assign(t.Context(), p.User.Email, auth.RoleUser)
		require.NoError(t, err)
		wantClosed(t, "by the command line", s, nil)
	})
}

func TestTheSocketsOfKeysFollowTheirOwnersRole(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.second()
		admin, owner := m.of(auth.RoleAdmin), m.owner()
		_, c := m.key(owner, nil)
		s := b.As(c.Token).MustDial(t)
		_, other := m.key(admin, nil)
		stays := b.As(other.Token).MustDial(t)
		for _, role := range []auth.Role{auth.RoleAdmin, auth.RoleService} { // which may have keys
			_, err := m.accounts.SetRole(admin, idOf(owner), role)
			require.NoError(t, err)
			works(t, s)
		}
		_, err := m.accounts.SetRole(admin, idOf(owner), auth.RoleAnalyst)
		require.NoError(t, err)
		wantClosed(t, "the key of an analyst", s, nil)
		works(t, stays)
		wantTurnedAway(t, "the key of an analyst", b.As(c.Token))
	})
}

func TestARevokedKeyEndsItsSocketsInEveryProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.second()
		owner := m.owner()
		id, c := m.key(owner, nil)
		_, other := m.key(owner, nil)
		onA, onB, stays := c.MustDial(t), b.As(c.Token).MustDial(t), b.As(other.Token).MustDial(t)
		_, err := m.accounts.RevokeKey(owner, id)
		require.NoError(t, err)
		wantClosed(t, "on one process", onA, nil)
		wantClosed(t, "on the other", onB, nil)
		works(t, stays)
		wantTurnedAway(t, "a revoked key", m.As(c.Token))
	})
}

// The end of the session was not told: whoever may have missed something asks.
func TestAHubThatMayHaveMissedSomethingAsksAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.start(nil) // its hub does not run yet
		ended, stays := m.person(time.Hour), m.person(time.Hour)
		s, other := b.As(ended.AccessToken).MustDial(t), b.As(stays.AccessToken).MustDial(t)
		require.NoError(t, m.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
			_, err := m.store.Exec(ctx, "UPDATE refresh_tokens SET revoked_at = created_at WHERE user_id = ?", ended.User.ID)
			return err
		}))
		works(t, s)
		background(t, b.hub.Run)
		wantClosed(t, "the session that ended meanwhile", s, nil)
		works(t, other)
	})
}

func TestADatabaseThatDoesNotAnswerEndsNoSocket(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		asked, answer := make(chan string, 100), make(chan error)
		var opened bool
		b := m.start(func(c *server.Config) {
			c.Confirm = func(ctx context.Context, v auth.Viewer) error {
				if !opened {
					opened = true
					return nil
				}
				asked <- v.ID
				select {
				case err := <-answer:
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		s := b.As(m.person(time.Hour).AccessToken).MustDial(t)
		background(t, b.hub.Run)
		for range 2 { // it goes on asking
			<-asked
			works(t, s)
			answer <- apperr.New(apperr.Unavailable, "The database does not answer.")
		}
		<-asked
		answer <- apperr.New(apperr.Unauthenticated, "This session has ended: sign in again.")
		wantClosed(t, "once it is known", s, nil)
	})
}

func TestASocketIsToldToTryAgainWhenNobodyCanSayWhetherItsSessionLasts(t *testing.T) {
	t.Parallel()
	c := run(t, func(c *server.Config) {
		c.Confirm = func(context.Context, auth.Viewer) error { return apperr.New(apperr.Unavailable, "Away.") }
	})
	_, err := c.As(token(t)).Dial(t.Context())
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed)
	assert.Equal(t, 1013, closed.Code)
	works(t, c.MustDial(t)) // nobody is asked for nobody
}

// With a warning that is longer than the token lives, each new expiry is warned
// of at once.
func TestEventStreamsAreWarnedBeforeTheirConnectionEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.start(func(c *server.Config) { c.ExpiryWarning = 100 * time.Hour })
		background(t, b.hub.Run)
		p := m.person(time.Hour)
		s := b.As(p.AccessToken).MustDial(t)
		query := `subscription { events(topics: [JOBS]) { __typename cursor ... on SessionExpiring { expiresAt } } }`
		stream := s.Subscribe(t, query, nil)
		m.listening(s, p.User.ID) // by now the other has begun too
		next, err := m.issuing(2*time.Hour, 0).Refresh(t.Context(), account.RefreshInput{RefreshToken: p.RefreshToken})
		require.NoError(t, err)
		for {
			var got struct {
				Events struct {
					Typename  string `json:"__typename"`
					ExpiresAt time.Time
					Cursor    string
				}
			}
			require.True(t, stream.Read(t, &got), "the stream ended")
			e := got.Events
			require.Equal(t, "SessionExpiring", e.Typename, "got %+v", e)
			require.NotEmpty(t, e.Cursor, "got %+v", e)
			if e.ExpiresAt.Equal(next.ExpiresAt) {
				return
			}
		}
	})
}

// frames gives what the server says on a bare socket.
func frames(t *testing.T, c *gqlclient.Client) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	conn, answer, err := dialer.DialContext(t.Context(), "ws"+c.URL[len("http"):]+"/graphql", nil)
	require.NoError(t, err)
	_ = answer.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	hello := map[string]any{"type": "connection_init", "payload": map[string]string{"authorization": c.Token}}
	require.NoError(t, conn.WriteJSON(hello))
	_ = conn.SetReadDeadline(time.Now().Add(gqlclient.Patience))
	return conn
}

func TestEveryExpiryIsAnnouncedByAPing(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.start(func(c *server.Config) { c.ExpiryWarning = 100 * time.Hour })
		background(t, b.hub.Run)
		p := m.person(time.Hour)
		conn := frames(t, b.As(p.AccessToken))
		ping := func(at time.Time) string {
			return fmt.Sprintf(`{"type":"ping","payload":{"sessionExpiring":{"expiresAt":%q}}}`, at.UTC().Format(time.RFC3339))
		}
		read := func() string {
			_, frame, err := conn.ReadMessage()
			require.NoError(t, err)
			return string(frame)
		}
		require.JSONEq(t, `{"type":"connection_ack"}`, read())
		require.JSONEq(t, ping(p.ExpiresAt), read())
		next, err := m.issuing(2*time.Hour, 0).Refresh(t.Context(), account.RefreshInput{RefreshToken: p.RefreshToken})
		require.NoError(t, err)
		require.JSONEq(t, ping(next.ExpiresAt), read())
	})
}

func TestNothingIsLeftOfConnectionsThatEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		p := m.person(time.Hour)
		next := m.again(p, time.Hour)
		nobody := m.MustDial(t)
		works(t, nobody)
		n := m.hub.Subscriptions()
		assert.Zero(t, n, "nobody's socket hangs on %d keys", n)
		for range 3 {
			s := m.As(p.AccessToken).MustDial(t)
			r, _ := s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": next.AccessToken}).Next(t)
			assert.NoError(t, r.Err())
			r, _ = s.Subscribe(t, reauthenticate, gqlclient.Vars{"t": "nonsense"}).Next(t)
			assert.Error(t, r.Err(), "nonsense is a token")
			s.Close()
		}
		wantTurnedAway(t, "nonsense", m.As("nonsense"))
		// The server leaves the hub after the last byte that a client can read.
		require.Eventually(t, func() bool { return m.hub.Subscriptions() == 0 }, gqlclient.Patience, time.Millisecond)
	})
}
