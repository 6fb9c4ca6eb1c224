package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/ent/gen/user"
	"parley/graph"
	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/server"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// machines is a server with accounts, notes, jobs and their events.
type machines struct {
	*gqlclient.Client
	t        *testing.T
	store    *store.Store
	log      *event.Log
	notes    *note.Service
	accounts *account.Service
}

// onBoth runs test on both databases; keyCheck is that of the server.
func onBoth(t *testing.T, keyCheck time.Duration, test func(t *testing.T, m *machines)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newMachines(t, s, keyCheck)) })
}

func newMachines(t *testing.T, s *store.Store, keyCheck time.Duration) *machines {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := &machines{t: t, store: s}
	embedded, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	must(err)
	t.Cleanup(embedded.Close)
	bus, err := embedded.Connect(natsx.Options{})
	must(err)
	t.Cleanup(bus.Close)
	must(bus.EnsureStreams(t.Context()))
	m.log, err = event.Open(t.Context(), s)
	must(err)
	waker := outbox.NewWaker(bus)
	jobs := job.New(s, m.log, job.Config{MaxAttempts: 3}, waker.Wake)
	m.notes = note.New(s, m.log, jobs, nil)
	m.accounts = m.another(0)
	hub, err := live.NewHub(m.log, bus)
	must(err)
	streams, err := live.NewStreams(hub, m.log, jobs, m.notes)
	must(err)
	relay := &outbox.Relay{
		Store: s, Log: m.log, Jobs: jobs, Bus: bus, Waker: waker, Config: outbox.Config{Poll: 10 * time.Millisecond, RescueEvery: time.Hour},
	}
	background(t, hub.Run)
	background(t, relay.Run)
	m.Client = run(t, func(c *server.Config) {
		c.Verify, c.KeyCheck = m.accounts.Verify, keyCheck
		c.Resolver = &graph.Resolver{AccountService: m.accounts, NoteService: m.notes, JobService: jobs, Hub: hub, Streams: streams}
	})
	return m
}

// another gives the accounts of another process on the same database.
func (m *machines) another(memory time.Duration) *account.Service {
	m.t.Helper()
	tokens, err := auth.NewTokens([]byte(key), time.Hour)
	if err != nil {
		m.t.Fatal(err)
	}
	s, err := account.New(m.t.Context(), m.store, m.log, tokens, cache.NewMemory(1<<20), account.Config{KeyMemory: memory})
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// background runs f until the test's end.
func background(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

// owner gives a context in which a new SERVICE account asks.
func (m *machines) owner() context.Context {
	m.t.Helper()
	id := store.NewID("user")
	err := m.store.Tx(auth.System(m.t.Context(), "test"), func(ctx context.Context) error {
		return m.store.Client(ctx).User.Create().SetID(id).SetEmail(id).SetEmailKey(id).SetPasswordHash("none").SetRole(user.RoleSERVICE).Exec(ctx)
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return auth.With(m.t.Context(), auth.Viewer{ID: id, Role: auth.RoleService, Session: store.NewID("sess")})
}

// key makes a key of the owner and gives its id and a client that uses it.
func (m *machines) key(owner context.Context, end *time.Time) (string, *gqlclient.Client) {
	m.t.Helper()
	k, secret, err := m.accounts.CreateKey(owner, account.CreateKeyInput{Name: "k", Scopes: auth.AllScopes(), ExpiresAt: end})
	if err != nil {
		m.t.Fatal(err)
	}
	return k.ID, m.As(secret)
}

// change commits an event of the topic for the viewer of ctx.
func (m *machines) change(ctx context.Context, topic, kind, object string) {
	m.t.Helper()
	v, _ := auth.From(ctx)
	err := m.store.Tx(auth.System(m.t.Context(), "test"), func(ctx context.Context) error {
		return m.log.Append(ctx, event.Change{Audience: event.User(v.ID), Topic: topic, Type: kind, Object: object, Parent: "7", State: "APPROVED", Version: 1})
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

const eventsQuery = `subscription($t: [Topic!], $a: EventCursor) { events(topics: $t, after: $a) { __typename cursor ... on ConsentChanged { id dialogId state } } }`

func TestAKeyOnRequestsAndSocketsReachesNoneOfItsOwnersData(t *testing.T) {
	onBoth(t, time.Hour, func(t *testing.T, m *machines) {
		owner := m.owner()
		language := "en"
		w, err := m.notes.Create(owner, note.CreateNoteInput{Title: "t", Text: "x", Language: &language})
		if err != nil {
			t.Fatal(err)
		}
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
				if r, _ := s.Subscribe(t, query, vars).Next(t); r.Code() != "FORBIDDEN" {
					t.Errorf("%s by %s: %+v", query, name, r)
				}
			}
		}
		for _, query := range []string{"query($n: ID!) { node(id: $n) { id } }", "query($k: ID!) { node(id: $k) { id } }"} {
			if r := post(t, c, query, vars); string(r.Data) != `{"node":null}` {
				t.Errorf("%s: %s", query, r.Body)
			}
		}
		wantCode(t, "an unknown key", post(t, m.As(c.Token[:40]+"aaaaaaa"), "{ viewer { id } }", nil), 200, "UNAUTHENTICATED")
		_, err = m.As(c.Token[:40] + "aaaaaaa").Dial(t.Context())
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 4403 {
			t.Errorf("a socket with an unknown key: %v", err)
		}
	})
}

func TestTheCookieCarriesNoKey(t *testing.T) {
	onBoth(t, time.Hour, func(t *testing.T, m *machines) {
		_, c := m.key(m.owner(), nil)
		cookie := *m.Client
		cookie.Header = http.Header{"Cookie": {"parley_session=" + c.Token}}
		r := post(t, &cookie, "{ viewer { id } }", nil)
		wantCode(t, "a request", r, 200, "UNAUTHENTICATED")
		if !strings.Contains(r.Errors[0].Message, "Sign in first") {
			t.Errorf("it says %s", r.Body)
		}
		if r, _ := cookie.MustDial(t).Subscribe(t, eventsQuery, nil).Next(t); r.Code() != "UNAUTHENTICATED" {
			t.Errorf("a socket: %+v", r)
		}
	})
}

func TestASocketWithAKeyGetsItsOwnersDialogEvents(t *testing.T) {
	onBoth(t, time.Hour, func(t *testing.T, m *machines) {
		owner := m.owner()
		_, c := m.key(owner, nil)
		s := c.MustDial(t)
		if r, _ := s.Subscribe(t, eventsQuery, gqlclient.Vars{"t": []string{"NOTES"}}).Next(t); r.Code() != "FORBIDDEN" {
			t.Errorf("the topic NOTES: %+v", r)
		}
		head, err := m.log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream := s.Subscribe(t, eventsQuery, gqlclient.Vars{"a": m.log.Cursor(head).String()})
		for _, dialog := range []string{"dlg_1", "dlg_2"} {
			m.change(owner, event.TopicNotes, event.TypeNoteChanged, "note_1")
			m.change(m.owner(), event.TopicDialogs, event.TypeConsentChanged, "dlg_other")
			m.change(owner, event.TopicJobs, event.TypeJobChanged, "job_1")
			m.change(owner, event.TopicDialogs, event.TypeConsentChanged, dialog)
			var got struct {
				Events struct {
					Typename            string `json:"__typename"`
					ID, State, DialogID string
				}
			}
			if !stream.Read(t, &got) {
				t.Fatal("the stream ended")
			}
			if e := got.Events; e.Typename != "ConsentChanged" || e.ID != dialog || e.DialogID != "7" || e.State != "APPROVED" {
				t.Errorf("got %+v", e)
			}
		}
	})
}

// wantRefused runs an operation of each kind on the socket.
func wantRefused(t *testing.T, s *gqlclient.Socket, code, words string) {
	t.Helper()
	for _, query := range []string{"{ __typename }", "mutation { signOut { clientMutationId } }", eventsQuery} {
		stream := s.Subscribe(t, query, nil)
		r, ok := stream.Next(t)
		if !ok || r.Code() != code || !strings.Contains(r.Errors[0].Message, words) {
			t.Errorf("%s: %+v, want %s", query, r, code)
		}
		if _, more := stream.Next(t); more {
			t.Errorf("%s goes on", query)
		}
	}
}

func TestEveryOperationOnTheSocketOfARevokedKeyIsRefused(t *testing.T) {
	onBoth(t, time.Hour, func(t *testing.T, m *machines) {
		owner := m.owner()
		id, c := m.key(owner, nil)
		s := c.MustDial(t)
		works(t, s)
		if _, err := m.accounts.RevokeKey(owner, id); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, s, "UNAUTHENTICATED", "API key is not valid here")
		wantCode(t, "a request", post(t, c, "{ viewer { id } }", nil), 200, "UNAUTHENTICATED")
		_, other := m.key(owner, nil)
		works(t, other.MustDial(t))
	})
}

func TestTheSocketOfARevokedKeyIsClosed(t *testing.T) {
	onBoth(t, 10*time.Millisecond, func(t *testing.T, m *machines) {
		owner := m.owner()
		id, c := m.key(owner, nil)
		_, other := m.key(owner, nil)
		s, stays := c.MustDial(t), other.MustDial(t)
		person := m.As(token(t)).MustDial(t)
		stream := s.Subscribe(t, eventsQuery, nil)
		if _, err := m.another(0).RevokeKey(owner, id); err != nil { // in another process
			t.Fatal(err)
		}
		if code := s.Closed(t); code != 4403 {
			t.Errorf("closed with %d", code)
		}
		if r, more := stream.Next(t); more {
			t.Errorf("the stream goes on with %+v", r)
		}
		works(t, stays)
		works(t, person)
	})
}

func TestTheSocketOfAKeyEndsWithTheKey(t *testing.T) {
	onBoth(t, time.Hour, func(t *testing.T, m *machines) {
		soon := time.Now().Add(3 * time.Second)
		_, c := m.key(m.owner(), &soon)
		s := c.MustDial(t)
		works(t, s)
		if code := s.Closed(t); code != 4403 || time.Now().Before(soon) {
			t.Errorf("closed with %d, %v before its end", code, time.Until(soon))
		}
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

// asked waits until a token was verified so many times more.
func (v *verifier) asked(t *testing.T, token string, times int) {
	t.Helper()
	last := v.count(token) + times
	require.Eventually(t, func() bool { return v.count(token) >= last }, gqlclient.Patience, time.Millisecond)
}

func TestASocketOutlivesADatabaseThatCantVerifyItsKey(t *testing.T) {
	t.Parallel()
	v := &verifier{calls: map[string]int{}}
	c := run(t, func(c *server.Config) { c.Verify, c.KeyCheck = v.verify, time.Millisecond })
	s := c.As("pak_1").MustDial(t)
	v.asked(t, "pak_1", 3)
	v.fail(apperr.New(apperr.Unavailable, "The database does not answer."))
	v.asked(t, "pak_1", 5)
	wantRefused(t, s, "UNAVAILABLE", "does not answer")
	v.fail(nil)
	works(t, s)
	v.fail(apperr.New(apperr.Unauthenticated, "Revoked."))
	if code := s.Closed(t); code != 4403 {
		t.Errorf("closed with %d", code)
	}
}

func works(t *testing.T, s *gqlclient.Socket) {
	t.Helper()
	if r, _ := s.Subscribe(t, "{ __typename }", nil).Next(t); r == nil || r.Err() != nil {
		t.Errorf("an operation gives %+v", r)
	}
}

func TestPeoplesSocketsAreVerifiedOnceAndClosedOnesNoMore(t *testing.T) {
	t.Parallel()
	v := &verifier{calls: map[string]int{}}
	c := run(t, func(c *server.Config) { c.Verify, c.KeyCheck = v.verify, time.Millisecond })
	person := c.As("person").MustDial(t)
	// Who says so on the socket is a person, whatever the upgrade request said.
	both := *c.As("other")
	both.Header = http.Header{"Authorization": {"Bearer pak_upgrade"}}
	second := both.MustDial(t)
	machine, clock := c.As("pak_1").MustDial(t), c.As("pak_clock").MustDial(t)
	v.asked(t, "pak_1", 3)
	for range 20 {
		works(t, person)
		works(t, second)
	}
	machine.Close()
	require.Eventually(t, func() bool {
		before := v.count("pak_1")
		v.asked(t, "pak_clock", 5)
		return v.count("pak_1") == before
	}, gqlclient.Patience, time.Millisecond, "a socket that is gone is forgotten")
	works(t, clock)
	for _, token := range []string{"person", "other", "pak_upgrade"} {
		if n := v.count(token); n != 1 {
			t.Errorf("%s was verified %d times", token, n)
		}
	}
}
