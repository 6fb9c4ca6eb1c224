package live_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/account"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/note"
	"parley/internal/resume"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

func (h *house) device(ctx context.Context, key string) <-chan *live.Event {
	h.t.Helper()
	events, err := live.Events(ctx, h.streams, live.EventsAsk{ResumeKey: &key}, func(e *live.Event) *live.Event { return e })
	require.NoError(h.t, err)
	return events
}

func TestADeviceThatComesBackTomorrowGetsWhatItHasNotAcknowledged(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		ctx, leave := context.WithCancel(as(t, owner))
		events := h.device(ctx, "phone")
		for i := range 3 {
			h.note(fmt.Sprint(i))
		}
		inOrder(t, events, h.read(0))
		leave()
		again := h.device(as(t, owner), "phone")
		inOrder(t, again, h.read(0)) // nothing was acknowledged
		at, err := h.book.Ack(as(t, owner), resume.AckInput{ResumeKey: "phone", UpTo: *h.at(2)})
		require.NoError(t, err)
		require.Equal(t, *h.at(2), at)
		elsewhere := newHouse(t, h.store, h.bus)
		elsewhere.runHub()
		elsewhere.ready()
		h.note("3")
		h.position()
		inOrder(t, elsewhere.device(as(t, owner), "phone"), h.read(2))
	})
}

func TestAStreamSaysThePlaceOfEachMessageToItsTransport(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		position := func(of *resume.Reader) event.Cursor {
			at, ok := of.Sent()
			require.True(t, ok)
			return at
		}
		ofEvents, ofJob := &resume.Reader{}, &resume.Reader{}
		events := h.events(resume.With(as(t, owner), ofEvents), nil)
		n := h.note("one")
		require.Equal(t, n.ID, next(t, events).Object)
		require.Equal(t, *h.at(1), position(ofEvents))
		j, _ := h.translate(n, "es")
		u := next(t, h.follow(resume.With(as(t, owner), ofJob), j[0]))
		require.Equal(t, u.Cursor, position(ofJob))
	})
}

func TestEventStreamsWarnBeforeTheirConnectionExpires(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		c := live.NewConnection()
		c.Expiring(time.Now()) // nobody listens
		c.Expiring(time.Time{})
		ctx := live.WithConnection(as(t, owner), c)
		events, other := h.events(ctx, nil, job.TopicJobs), h.events(as(t, owner), nil)
		h.note("one")
		next(t, other)
		at := time.Now().Add(time.Minute)
		c.Expiring(at)
		e := next(t, events)
		require.Equal(t, at, e.Expires, "whatever the topics")
		require.Equal(t, h.log.Epoch(), e.Cursor.Epoch)
		j := h.ask("two")
		require.Equal(t, j.ID, next(t, events).Object, "it goes on")
		require.Equal(t, note.TypeNoteChanged, next(t, other).Type, "another connection does not expire")

		late, _ := h.events(ctx, nil), h.position()
		require.Equal(t, at, next(t, late).Expires, "a stream that begins after the warning is warned as well")
		c.Expiring(time.Time{}) // the session was refreshed
		calm := h.events(ctx, nil)
		n := h.note("three")
		require.Equal(t, n.ID, next(t, calm).Object)
	})
}

func TestWhatIsSaidToConnectionsIsNotForTheirClients(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		events := h.events(as(t, owner), h.at(0))
		require.NoError(t, h.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
			return h.log.Append(ctx, event.Change{Audience: event.User(owner), Topic: account.TopicSession, Type: account.TypeSessionChanged, Object: "sess_1"})
		}))
		n := h.note("one")
		require.Equal(t, n.ID, next(t, events).Object)
		require.Len(t, h.since(h.at(0), 0).Events, 1)
	})
}

// An idle stream has no goroutine: whoever waits for its messages has one.
func TestAnIdleStreamHasNoGoroutine(t *testing.T) {
	h := newHouse(t, dbtest.Open(t, dbtest.SQLite(t)), embedded(t))
	h.run()
	h.ready()
	ctx, cancel := context.WithCancel(as(t, owner))
	defer cancel()
	j := h.ask("one")
	n, err := h.notes.Get(as(t, owner), j.ParentID)
	require.NoError(t, err)
	updates, translations := h.follow(ctx, j), h.translations(ctx, n, nil)
	next(t, updates)
	next(t, translations)
	before := runtime.NumGoroutine()
	const streams = 300
	for range streams {
		h.events(ctx, nil)
	}
	// The runtime tells nobody when a goroutine ends.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() < before+streams/10 }, patience, 5*time.Millisecond)
}

// Another tab with the same name may acknowledge between the two reads with
// which a stream begins.
func TestAPlaceThatAnotherReaderHasJustReachedIsNotForeign(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		ctx := as(t, owner)
		v, _ := auth.From(ctx)
		h.note("one")
		old := h.position()
		h.note("two")
		key, head := "tab", h.position()
		_, err := h.book.Ack(ctx, resume.AckInput{ResumeKey: key, UpTo: *h.at(head)})
		require.NoError(t, err)
		from, err := h.book.Begin(ctx, v, resume.Ask{Key: &key, Head: *h.at(old), FromHead: true})
		require.NoError(t, err)
		require.Equal(t, *h.at(head), *from)
		events := h.device(ctx, key)
		n := h.note("three")
		require.Equal(t, n.ID, next(t, events).Object)
	})
}

func TestAStreamWaitsForADatabaseThatIsAwayWhenItBegins(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s, err := store.Open(t.Context(), store.Config{URL: server.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	h := newHouse(t, s, embedded(t))
	h.run()
	h.ready()
	j := h.ask("one")
	n, err := h.notes.Get(as(t, owner), j.ParentID)
	require.NoError(t, err)
	require.NoError(t, server.Kill())
	begun := make(chan error, 3)
	begin := func(open func(ctx context.Context) error) { go func() { begun <- open(as(t, owner)) }() }
	begin(func(ctx context.Context) error { _, err := h.streams.Events(ctx, nil, nil); return err })
	begin(func(ctx context.Context) error { _, err := h.streams.Job(ctx, j.ID); return err })
	begin(func(ctx context.Context) error { _, err := h.series(ctx, n.ID, nil); return err })
	require.NoError(t, server.Restart(t.Context()))
	for range 3 {
		require.NoError(t, next(t, begun))
	}
}
