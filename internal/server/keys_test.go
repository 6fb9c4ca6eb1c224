package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/job"
	"parley/internal/note"
	"parley/internal/server"
)

const eventsQuery = `subscription($t: [Topic!], $a: EventCursor) { events(topics: $t, after: $a) { __typename cursor ... on ConsentChanged { id dialogId state } } }`

func TestAKeyOnRequestsAndSocketsReachesNoneOfItsOwnersData(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		owner := m.owner()
		language := "en"
		w, err := m.notes.Create(owner, note.CreateNoteInput{Title: "t", Text: "x", Language: &language})
		require.NoError(t, err)
		id, c := m.key(owner, nil)
		upgrade := *m.Client // the key in the header of the upgrade request instead
		upgrade.Header = http.Header{"Authorization": {"Bearer " + c.Token}}
		sockets := map[string]*gqlclient.Socket{"connection_init": c.MustDial(t), "upgrade": upgrade.MustDial(t)}
		vars := gqlclient.Vars{"n": w.Note.ID, "k": id}
		for _, query := range []string{
			"{ viewer { id } }", "{ apiKeys { totalCount } }", "{ notes { totalCount } }", "{ jobs { totalCount } }",
			"mutation { signOut { clientMutationId } }", `mutation { createApiKey(input: {name: "k", scopes: [PRACTICE_READ]}) { secret } }`,
			"mutation($k: ID!) { revokeApiKey(input: {id: $k}) { apiKey { id } } }", "query($n: ID!) { note(id: $n) { id } }",
			"mutation($n: ID!) { deleteNote(input: {id: $n}) { cursor } }",
		} {
			wantCode(t, query, post(t, c, query, vars), 200, "FORBIDDEN")
			for name, s := range sockets {
				r, _ := s.Subscribe(t, query, vars).Next(t)
				assert.Equal(t, "FORBIDDEN", r.Code(), "%s by %s: %+v", query, name, r)
			}
		}
		for _, query := range []string{"query($n: ID!) { node(id: $n) { id } }", "query($k: ID!) { node(id: $k) { id } }"} {
			r := post(t, c, query, vars)
			assert.Equal(t, `{"node":null}`, string(r.Data), "%s: %s", query, r.Body)
		}
		wantCode(t, "an unknown key", post(t, m.As(c.Token[:40]+"aaaaaaa"), "{ viewer { id } }", nil), 200, "UNAUTHENTICATED")
		_, err = m.As(c.Token[:40] + "aaaaaaa").Dial(t.Context())
		var closed *websocket.CloseError
		require.ErrorAs(t, err, &closed, "a socket with an unknown key")
		assert.Equal(t, 4403, closed.Code, "a socket with an unknown key")
	})
}

func TestTheCookieCarriesNoKey(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		_, c := m.key(m.owner(), nil)
		cookie := *m.Client
		cookie.Header = http.Header{"Cookie": {"parley_session=" + c.Token}}
		r := post(t, &cookie, "{ viewer { id } }", nil)
		wantCode(t, "a request", r, 200, "UNAUTHENTICATED")
		assert.Contains(t, r.Errors[0].Message, "Sign in first", "it says %s", r.Body)
		r, _ = cookie.MustDial(t).Subscribe(t, eventsQuery, nil).Next(t)
		assert.Equal(t, "UNAUTHENTICATED", r.Code(), "a socket: %+v", r)
	})
}

func TestASocketWithAKeyGetsItsOwnersDialogEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		owner := m.owner()
		_, c := m.key(owner, nil)
		s := c.MustDial(t)
		r, _ := s.Subscribe(t, eventsQuery, gqlclient.Vars{"t": []string{"NOTES"}}).Next(t)
		assert.Equal(t, "FORBIDDEN", r.Code(), "the topic NOTES: %+v", r)
		head, err := m.log.Head(t.Context())
		require.NoError(t, err)
		stream := s.Subscribe(t, eventsQuery, gqlclient.Vars{"a": m.log.Cursor(head).String()})
		for _, id := range []string{"dlg_1", "dlg_2"} {
			m.change(owner, note.TopicNotes, note.TypeNoteChanged, "note_1")
			m.change(m.owner(), dialog.TopicDialogs, dialog.TypeConsentChanged, "dlg_other")
			m.change(owner, job.TopicJobs, job.TypeJobChanged, "job_1")
			m.change(owner, dialog.TopicDialogs, dialog.TypeConsentChanged, id)
			var got struct {
				Events struct {
					Typename            string `json:"__typename"`
					ID, State, DialogID string
				}
			}
			require.True(t, stream.Read(t, &got), "the stream ended")
			e := got.Events
			assert.True(t, e.Typename == "ConsentChanged" && e.ID == id && e.DialogID == "7" && e.State == "APPROVED", "got %+v", e)
		}
	})
}

// wantRefused runs an operation of each kind on the socket.
func wantRefused(t *testing.T, s *gqlclient.Socket, code, words string) {
	t.Helper()
	for _, query := range []string{"{ __typename }", "mutation { signOut { clientMutationId } }", eventsQuery} {
		stream := s.Subscribe(t, query, nil)
		r, ok := stream.Next(t)
		assert.True(t, ok && r.Code() == code && strings.Contains(r.Errors[0].Message, words), "%s: %+v, want %s", query, r, code)
		_, more := stream.Next(t)
		assert.False(t, more, "%s goes on", query)
	}
}

// The hub that would close the socket does not run.
func TestEveryOperationOnTheSocketOfARevokedKeyIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		owner := m.owner()
		id, c := m.key(owner, nil)
		b := m.start(nil)
		s := b.As(c.Token).MustDial(t)
		works(t, s)
		_, err := b.accounts.RevokeKey(owner, id)
		require.NoError(t, err)
		wantRefused(t, s, "UNAUTHENTICATED", "API key is not valid here")
		wantCode(t, "a request", post(t, b.As(c.Token), "{ viewer { id } }", nil), 200, "UNAUTHENTICATED")
		_, other := m.key(owner, nil)
		works(t, b.As(other.Token).MustDial(t))
	})
}

func TestTheSocketOfARevokedKeyIsClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		owner := m.owner()
		id, c := m.key(owner, nil)
		_, other := m.key(owner, nil)
		s, stays := c.MustDial(t), other.MustDial(t)
		person := m.As(m.person(time.Hour).AccessToken).MustDial(t)
		stream := s.Subscribe(t, eventsQuery, nil)
		_, err := m.another(0).RevokeKey(owner, id)
		require.NoError(t, err) // in another process
		assert.Equal(t, 4403, s.Closed(t))
		r, more := stream.Next(t)
		assert.False(t, more, "the stream goes on with %+v", r)
		works(t, stays)
		works(t, person)
	})
}

func TestTheSocketOfAKeyEndsWithTheKey(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machines) {
		soon := time.Now().Add(3 * time.Second)
		_, c := m.key(m.owner(), &soon)
		s := c.MustDial(t)
		works(t, s)
		code := s.Closed(t)
		assert.Equal(t, 4403, code, "%v before its end", time.Until(soon))
		assert.False(t, time.Now().Before(soon), "closed with %d, %v before its end", code, time.Until(soon))
		wantCode(t, "after", post(t, c, "{ viewer { id } }", nil), 200, "UNAUTHENTICATED")
	})
}

// verifier takes every token and counts how often it was asked for each.
type verifier struct {
	mu      sync.Mutex
	failure error
	calls   map[string]int
}

func (v *verifier) verify(_ context.Context, token string) (auth.Viewer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls[token]++
	if !auth.IsKey(token) {
		return auth.Viewer{ID: "user_1", Role: auth.RoleUser}, nil
	}
	if v.failure != nil {
		return auth.Viewer{}, v.failure
	}
	return auth.Viewer{ID: "user_1", Role: auth.RoleService, Key: "key_1"}, nil
}

func (v *verifier) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failure = err
}

func (v *verifier) count(token string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[token]
}

func TestASocketOutlivesADatabaseThatCantVerifyItsKey(t *testing.T) {
	t.Parallel()
	v := &verifier{calls: map[string]int{}}
	c := run(t, func(c *server.Config) { c.Verify = v.verify })
	s := c.As("pak_1").MustDial(t)
	v.fail(apperr.New(apperr.Unavailable, "The database does not answer."))
	wantRefused(t, s, "UNAVAILABLE", "does not answer")
	v.fail(nil)
	works(t, s)
}

func works(t *testing.T, s *gqlclient.Socket) {
	t.Helper()
	r, _ := s.Subscribe(t, "{ __typename }", nil).Next(t)
	require.NotNil(t, r, "an operation")
	assert.NoError(t, r.Err(), "an operation")
}

func TestPeoplesSocketsAreVerifiedOnceAndThoseOfKeysForEveryOperation(t *testing.T) {
	t.Parallel()
	v := &verifier{calls: map[string]int{}}
	c := run(t, func(c *server.Config) { c.Verify = v.verify })
	person := c.As("person").MustDial(t)
	// Who says so on the socket is a person, whatever the upgrade request said.
	both := *c.As("other")
	both.Header = http.Header{"Authorization": {"Bearer pak_upgrade"}}
	second := both.MustDial(t)
	machine := c.As("pak_1").MustDial(t)
	const many = 20
	for range many {
		works(t, person)
		works(t, second)
		works(t, machine)
	}
	for token, want := range map[string]int{"person": 1, "other": 1, "pak_upgrade": 1, "pak_1": 1 + many} {
		n := v.count(token)
		assert.Equal(t, want, n, "%s was verified %d times, want %d", token, n, want)
	}
}
