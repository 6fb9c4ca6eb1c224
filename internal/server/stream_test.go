package server_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/graph"
	"parley/graph/gen"
	"parley/internal/account"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/server"
	"parley/internal/server/sse"
)

// eventStreams serves the process's server-sent events.
func eventStreams(t *testing.T, p *process) *gqlclient.Client {
	t.Helper()
	transport := sse.New(sse.Config{Open: p.server.OpenStream})
	h := handler.New(gen.NewExecutableSchema(gen.Config{
		Resolvers: p.resolver, Directives: gen.DirectiveRoot{Delivery: graph.Delivery},
	}))
	h.AddTransport(transport)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if token := r.Header.Get("Authorization"); token != "" {
			v, err := p.accounts.Verify(ctx, token)
			assert.NoError(t, err)
			ctx = auth.With(ctx, v)
		}
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(s.Close)
	return &gqlclient.Client{URL: s.URL}
}

// sent is a stream of events by SSE.
type sent struct {
	t      *testing.T
	status int
	lines  *bufio.Scanner
}

// listen opens a stream that lasts until the test's end, or less.
func listen(t *testing.T, c *gqlclient.Client) *sent {
	t.Helper()
	body, err := json.Marshal(gqlclient.Vars{"query": `subscription { events { __typename cursor ... on SessionExpiring { expiresAt } } }`})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL, strings.NewReader(string(body)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", c.Token)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &sent{t, answer.StatusCode, bufio.NewScanner(answer.Body)}
}

// next gives the data of the next message; false says that the stream ended.
func (s *sent) next(into any) bool {
	s.t.Helper()
	for s.lines.Scan() {
		if data, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok && strings.HasPrefix(data, "{") {
			require.NoError(s.t, json.Unmarshal([]byte(data), into))
			return true
		}
	}
	return false
}

// wantOver waits for the end of a stream.
func (s *sent) wantOver(what string) {
	s.t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s.next(&struct{}{}) {
		}
	}()
	select {
	case <-ended:
	case <-time.After(gqlclient.Patience):
		s.t.Fatalf("%s: it goes on", what)
	}
}

func TestAnEventStreamEndsWithItsSession(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		c := eventStreams(t, m.second())
		p := m.person(time.Hour)
		stream, other := listen(t, c.As(p.AccessToken)), listen(t, c.As(m.again(p, time.Hour).AccessToken))
		m.As(p.AccessToken).Must(t, "mutation { signOut { clientMutationId } }", nil, nil)
		stream.wantOver("a session that was signed out")
		s := listen(t, c.As(p.AccessToken)).status
		assert.Equal(t, http.StatusUnauthorized, s, "the token of a session that was signed out: status %d", s)
		// A stream says nothing when it has begun to listen, so that it may miss the first.
		heard := make(chan bool, 1)
		go func() { heard <- other.next(&struct{}{}) }()
		require.Eventually(t, func() bool {
			m.tell(p.User.ID, dialog.TopicDialogs, dialog.TypeConsentChanged, "dlg_1")
			return len(heard) > 0
		}, gqlclient.Patience, 50*time.Millisecond, "the other session's stream")
		assert.True(t, <-heard, "the other session's stream ended")
		_, err := m.accounts.SetRole(m.of(auth.RoleAdmin), p.User.ID, auth.RoleAnalyst)
		require.NoError(t, err)
		other.wantOver("another role")
	})
}

func TestAnEventStreamLastsAsLongAsItsSessionIsRefreshed(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		c := eventStreams(t, m.process)
		p := m.person(4 * time.Second)
		stream, clock := listen(t, c.As(p.AccessToken)), listen(t, c.As(m.again(p, 5*time.Second).AccessToken))
		next, err := m.issuing(10*time.Second, 0).Refresh(t.Context(), account.RefreshInput{RefreshToken: p.RefreshToken})
		require.NoError(t, err)
		clock.wantOver("at its expiry")
		stream.wantOver("at its second expiry")
		assert.False(t, time.Now().Before(next.ExpiresAt), "it ended %v early", time.Until(next.ExpiresAt))
	})
}

func TestAnEventStreamIsWarnedAndLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		b := m.start(func(c *server.Config) { c.ExpiryWarning = 100 * time.Hour })
		background(t, b.hub.Run)
		c := eventStreams(t, b)
		p := m.person(time.Hour)
		stream := listen(t, c.As(p.AccessToken))
		// A stream without events says nothing when it has begun to listen.
		require.Eventually(t, func() bool { return b.hub.Subscriptions() > 2 }, gqlclient.Patience, time.Millisecond, "the stream listens")
		next, err := m.issuing(2*time.Hour, 0).Refresh(t.Context(), account.RefreshInput{RefreshToken: p.RefreshToken})
		require.NoError(t, err)
		for until := (time.Time{}); !until.Equal(next.ExpiresAt); {
			var got struct {
				Data struct {
					Events struct {
						Typename  string `json:"__typename"`
						ExpiresAt time.Time
					}
				}
			}
			require.True(t, stream.next(&got), "the stream ended")
			until = got.Data.Events.ExpiresAt
			require.Equal(t, "SessionExpiring", got.Data.Events.Typename, "got %+v", got)
		}
		require.NoError(t, m.accounts.SignOut(m.asOwnerOf(next)))
		stream.wantOver("signed out")
		// The server leaves the hub after the last byte that a client can read.
		require.Eventually(t, func() bool { return b.hub.Subscriptions() == 0 }, gqlclient.Patience, time.Millisecond)
	})
}

func TestNobodysEventStreamListensToNoSession(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		var got struct{ Errors []gqlclient.Error }
		stream := listen(t, eventStreams(t, m.process))
		assert.True(t, stream.next(&got), "got %+v", got)
		assert.Len(t, got.Errors, 1, "got %+v", got)
		stream.wantOver("refused")
		n := m.hub.Subscriptions()
		assert.Zero(t, n, "it hangs on %d keys", n)
	})
}
