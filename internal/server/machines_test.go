package server_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/ent/gen/user"
	"parley/graph"
	"parley/internal/account"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/dialog"
	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/resume"
	"parley/internal/server"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// machines are processes on one database and one NATS; the first is there from
// the start.
type machines struct {
	*process
	t       *testing.T
	store   *store.Store
	log     *event.Log
	nats    *natsx.Embedded
	waker   *outbox.Waker
	jobs    *job.Service
	notes   *note.Service
	domains *domain.Set
}

// process is a server with accounts, notes, jobs and their events.
type process struct {
	*gqlclient.Client
	server   *server.Server
	hub      *live.Hub
	accounts *account.Service
	resolver *graph.Resolver
}

// onBoth runs test on both databases.
func onBoth(t *testing.T, test func(t *testing.T, m *machines)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newMachines(t, s)) })
}

func newMachines(t *testing.T, s *store.Store) *machines {
	t.Helper()
	m := &machines{t: t, store: s}
	var err error
	m.nats, err = natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	m.must(err)
	t.Cleanup(m.nats.Close)
	m.log, err = event.Open(t.Context(), s)
	m.must(err)
	bus := m.bus()
	m.must(bus.EnsureStreams(t.Context()))
	m.waker = outbox.NewWaker(bus)
	m.log.OnCommit(m.waker.Wake)
	workers := directory.New(s)
	m.jobs = job.New(s, m.log, workers, job.Config{MaxAttempts: 3})
	m.notes = note.New(s, m.log, m.jobs, workers, nil)
	m.domains, err = domain.NewSet(domain.Jobs(m.jobs), m.notes.Domain(), dialog.New(s, m.log, audit.New(s, 0, nil), dialog.Config{}).Domain())
	m.must(err)
	m.process = m.start(nil)
	background(t, m.hub.Run)
	relay := &outbox.Relay{
		Store: s, Log: m.log, Jobs: m.jobs, Outbox: dispatch.New(s, m.log, m.jobs, workers), Bus: bus, Waker: m.waker, Config: outbox.Config{Poll: 10 * time.Millisecond, RescueEvery: time.Hour},
	}
	background(t, relay.Run)
	return m
}

func (m *machines) must(err error) {
	m.t.Helper()
	require.NoError(m.t, err)
}

func (m *machines) bus() *natsx.Bus {
	m.t.Helper()
	bus, err := m.nats.Connect(natsx.Options{})
	m.must(err)
	m.t.Cleanup(bus.Close)
	return bus
}

// start starts a process whose hub does not run yet.
func (m *machines) start(change func(c *server.Config)) *process {
	m.t.Helper()
	p := &process{accounts: m.another(0)}
	var err error
	p.hub, err = live.NewHub(m.log, m.bus(), m.domains)
	m.must(err)
	book := resume.NewBook(m.store, m.log, resume.Config{})
	streams, err := live.NewStreams(live.Config{Hub: p.hub, Log: m.log, Book: book, Jobs: m.jobs, Domains: m.domains})
	m.must(err)
	p.resolver = &graph.Resolver{AccountService: p.accounts, NoteService: m.notes, JobService: m.jobs, Domains: m.domains, Hub: p.hub, Streams: streams, Readers: book}
	p.server = serve(m.t, func(c *server.Config) {
		c.Verify, c.Confirm = p.accounts.Verify, p.accounts.Confirm
		c.Resolver = p.resolver
		if change != nil {
			change(c)
		}
	})
	p.Client = &gqlclient.Client{URL: "http://" + p.server.Addr()}
	return p
}

// second starts another process.
func (m *machines) second() *process {
	m.t.Helper()
	p := m.start(nil)
	background(m.t, p.hub.Run)
	return p
}

// another gives the accounts of another process on the same database.
func (m *machines) another(memory time.Duration) *account.Service {
	return m.issuing(time.Hour, memory)
}

// issuing gives accounts whose access tokens live for a time.
func (m *machines) issuing(lifetime, memory time.Duration) *account.Service {
	m.t.Helper()
	tokens, err := auth.NewTokens([]byte(key), lifetime)
	m.must(err)
	s, err := account.New(m.t.Context(), m.store, m.log, tokens, cache.NewMemory(1<<20), account.Config{KeyMemory: memory})
	m.must(err)
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
		assert.NoError(t, <-done, "it")
	})
}

// person makes an account with a session whose access token lives for a time.
func (m *machines) person(lifetime time.Duration) *account.Session {
	m.t.Helper()
	name := store.NewID("x")
	s, err := m.issuing(lifetime, 0).SignUp(m.t.Context(), account.SignUpInput{Email: name + "@example.org", Password: "correct horse"})
	m.must(err)
	return s
}

// again opens another session of an account.
func (m *machines) again(s *account.Session, lifetime time.Duration) *account.Session {
	m.t.Helper()
	next, err := m.issuing(lifetime, 0).SignIn(m.t.Context(), account.SignInInput{Email: s.User.Email, Password: "correct horse"}, "1.2.3.4")
	m.must(err)
	return next
}

// asOwnerOf gives a context in which the owner of a session asks.
func (m *machines) asOwnerOf(s *account.Session) context.Context {
	m.t.Helper()
	v, err := m.accounts.Verify(m.t.Context(), s.AccessToken)
	m.must(err)
	return auth.With(m.t.Context(), v)
}

// owner gives a context in which a new account asks, a SERVICE.
func (m *machines) owner() context.Context { return m.of(auth.RoleService) }

// of gives a context in which a new account of that role asks.
func (m *machines) of(role auth.Role) context.Context {
	m.t.Helper()
	id := store.NewID("user")
	m.must(m.store.Tx(auth.System(m.t.Context(), "test"), func(ctx context.Context) error {
		return m.store.Client(ctx).User.Create().SetID(id).SetEmail(id).SetEmailKey(id).SetPasswordHash("none").SetRole(user.Role(role)).Exec(ctx)
	}))
	return auth.With(m.t.Context(), auth.Viewer{ID: id, Role: role, Session: store.NewID("sess")})
}

func idOf(ctx context.Context) string {
	v, _ := auth.From(ctx)
	return v.ID
}

// key makes a key of the owner with every scope, or these, and gives its id and
// a client that uses it.
func (m *machines) key(owner context.Context, end *time.Time, scopes ...auth.Scope) (string, *gqlclient.Client) {
	m.t.Helper()
	if len(scopes) == 0 {
		scopes = auth.AllScopes()
	}
	k, secret, err := m.accounts.CreateKey(owner, account.CreateKeyInput{Name: "k", Scopes: scopes, ExpiresAt: end})
	m.must(err)
	return k.ID, m.As(secret)
}

// change commits an event of the topic for the viewer of ctx.
func (m *machines) change(ctx context.Context, topic, kind, object string) {
	m.t.Helper()
	m.tell(idOf(ctx), topic, kind, object)
}

func (m *machines) tell(id, topic, kind, object string) {
	m.t.Helper()
	m.must(m.store.Tx(auth.System(m.t.Context(), "test"), func(ctx context.Context) error {
		return m.log.Append(ctx, event.Change{Audience: event.User(id), Topic: topic, Type: kind, Object: object, Parent: "7", State: "APPROVED", Version: 1})
	}))
}

// listening gives a stream of events that is known to have begun. A token that
// lives shorter than a minute is warned of at once.
func (m *machines) listening(s *gqlclient.Socket, id string) *gqlclient.Stream {
	m.t.Helper()
	head, err := m.log.Head(m.t.Context())
	m.must(err)
	stream := s.Subscribe(m.t, eventsQuery, gqlclient.Vars{"a": m.log.Cursor(head).String()})
	want := fmt.Sprint("dlg_", head)
	m.tell(id, dialog.TopicDialogs, dialog.TypeConsentChanged, want)
	for {
		var got struct{ Events struct{ ID string } }
		require.True(m.t, stream.Read(m.t, &got), "the stream ended")
		if got.Events.ID == want {
			return stream
		}
	}
}
