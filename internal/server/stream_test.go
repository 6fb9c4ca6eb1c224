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
			if err != nil {
				t.Error(err)
			}
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
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", c.Token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &sent{t, answer.StatusCode, bufio.NewScanner(answer.Body)}
}

// next gives the data of the next message; false says that the stream ended.
func (s *sent) next(into any) bool {
	s.t.Helper()
	for s.lines.Scan() {
		if data, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok && strings.HasPrefix(data, "{") {
			if err := json.Unmarshal([]byte(data), into); err != nil {
				s.t.Fatal(err)
			}
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
		if s := listen(t, c.As(p.AccessToken)).status; s != http.StatusUnauthorized {
			t.Errorf("the token of a session that was signed out: status %d", s)
		}
		m.tell(p.User.ID, dialog.TopicDialogs, dialog.TypeConsentChanged, "dlg_1")
		if !other.next(&struct{}{}) {
			t.Error("the other session's stream ended")
		}
		if _, err := m.accounts.SetRole(m.of(auth.RoleAdmin), p.User.ID, auth.RoleAnalyst); err != nil {
			t.Fatal(err)
		}
		other.wantOver("another role")
	})
}

func TestAnEventStreamLastsAsLongAsItsSessionIsRefreshed(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		c := eventStreams(t, m.process)
		p := m.person(4 * time.Second)
		stream, clock := listen(t, c.As(p.AccessToken)), listen(t, c.As(m.again(p, 5*time.Second).AccessToken))
		next, err := m.issuing(10*time.Second, 0).Refresh(t.Context(), account.RefreshInput{RefreshToken: p.RefreshToken})
		if err != nil {
			t.Fatal(err)
		}
		clock.wantOver("at its expiry")
		stream.wantOver("at its second expiry")
		if time.Now().Before(next.ExpiresAt) {
			t.Errorf("it ended %v early", time.Until(next.ExpiresAt))
		}
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
		if err != nil {
			t.Fatal(err)
		}
		for until := (time.Time{}); !until.Equal(next.ExpiresAt); {
			var got struct {
				Data struct {
					Events struct {
						Typename  string `json:"__typename"`
						ExpiresAt time.Time
					}
				}
			}
			if !stream.next(&got) {
				t.Fatal("the stream ended")
			}
			if until = got.Data.Events.ExpiresAt; got.Data.Events.Typename != "SessionExpiring" {
				t.Fatalf("got %+v", got)
			}
		}
		if err := m.accounts.SignOut(m.asOwnerOf(next)); err != nil {
			t.Fatal(err)
		}
		stream.wantOver("signed out")
		// The server leaves the hub after the last byte that a client can read.
		require.Eventually(t, func() bool { return b.hub.Subscriptions() == 0 }, gqlclient.Patience, time.Millisecond)
	})
}

func TestNobodysEventStreamListensToNoSession(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		var got struct{ Errors []gqlclient.Error }
		stream := listen(t, eventStreams(t, m.process))
		if !stream.next(&got) || len(got.Errors) != 1 {
			t.Errorf("got %+v", got)
		}
		stream.wantOver("refused")
		if n := m.hub.Subscriptions(); n != 0 {
			t.Errorf("it hangs on %d keys", n)
		}
	})
}
