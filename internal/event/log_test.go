package event_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/event"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// world is a log on a database of the test's own.
type world struct {
	*event.Log
	t     *testing.T
	store *store.Store
}

func worlds(t *testing.T, test func(t *testing.T, w world)) {
	t.Helper()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, open(t, s)) })
}

func open(t *testing.T, s *store.Store) world {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	return world{log, t, s}
}

func change(audience, object string, version int64) event.Change {
	return event.Change{
		Audience: audience, Topic: "NOTES", Type: "NoteChanged",
		Object: object, Parent: "parent", Version: version, State: "READY",
	}
}

func (w world) append(changes ...event.Change) {
	w.t.Helper()
	require.NoError(w.t, w.store.Tx(w.t.Context(), func(ctx context.Context) error { return w.Append(ctx, changes...) }))
}

func (w world) position() {
	w.t.Helper()
	for {
		n, err := w.Position(w.t.Context(), 100)
		require.NoError(w.t, err)
		if n == 0 {
			return
		}
	}
}

func (w world) read(f event.Filter) []event.Event {
	w.t.Helper()
	events, err := w.Read(w.t.Context(), f)
	require.NoError(w.t, err)
	return events
}

func (w world) head() int64 {
	w.t.Helper()
	head, err := w.Head(w.t.Context())
	require.NoError(w.t, err)
	return head
}

func everything() event.Filter { return event.Filter{Limit: 1000} }

func TestEventsReadInTheOrderOfTheirPositions(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		require.Zero(t, w.head(), "a new log is not empty")
		require.Empty(t, w.read(everything()), "a new log is not empty")
		w.append()
		w.append(change("u:a", "n1", 1), change("u:b", "n2", 7))
		w.append(change("u:a", "n3", 1))
		w.position()
		all := w.read(everything())
		require.Len(t, all, 3, "%d events, head %d", len(all), w.head())
		require.Equal(t, int64(3), w.head(), "%d events, head %d", len(all), w.head())
		e := all[1]
		assert.Same(t, time.UTC, e.At.Location(), "it happened at %v", e.At)
		assert.LessOrEqual(t, time.Since(e.At), time.Minute, "it happened at %v", e.At)
		assert.GreaterOrEqual(t, time.Since(e.At), time.Duration(0), "it happened at %v", e.At)
		e.At = time.Time{}
		want := event.Event{
			Position: 2, Audience: "u:b", Topic: "NOTES", Type: "NoteChanged",
			Object: "n2", Parent: "parent", Version: 7, State: "READY",
		}
		assert.True(t, e == want, "got %+v, want %+v", e, want)
		w.checkFilters()
	})
}

func (w world) checkFilters() {
	w.t.Helper()
	for name, test := range map[string]struct {
		filter event.Filter
		want   string
	}{
		"all":         {everything(), "[n1 n2 n3]"},
		"after":       {event.Filter{Limit: 9, After: 1}, "[n2 n3]"},
		"limit":       {event.Filter{Limit: 2}, "[n1 n2]"},
		"audience":    {event.Filter{Limit: 9, Audiences: []string{"u:a"}}, "[n1 n3]"},
		"audiences":   {event.Filter{Limit: 9, Audiences: []string{"u:b", "u:a"}}, "[n1 n2 n3]"},
		"nobody":      {event.Filter{Limit: 9, Audiences: []string{"u:"}}, "[]"},
		"shard":       {event.Filter{Shards: []int{event.ShardOf("u:b")}, Limit: 9}, "[n2]"},
		"other shard": {event.Filter{Shards: []int{(event.ShardOf("u:b") + 1) % event.Shards}, Limit: 9, Audiences: []string{"u:b"}}, "[]"},
		"both":        {event.Filter{Shards: []int{event.ShardOf("u:a")}, Limit: 9, Audiences: []string{"u:a"}, After: 1}, "[n3]"},
		"the end":     {event.Filter{Limit: 9, After: 3}, "[]"},
	} {
		var got []string
		for _, e := range w.read(test.filter) {
			got = append(got, e.Object)
		}
		assert.Equal(w.t, test.want, fmt.Sprint(got), "%s: got %v", name, got)
	}
}

func TestManyChangesOfOneTransactionKeepTheirOrder(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		var changes []event.Change
		for i := range 1234 {
			changes = append(changes, change("u:a", fmt.Sprint(i), int64(i)))
		}
		w.append(changes...)
		w.position()
		all := w.read(event.Filter{Limit: 5000})
		for i, e := range all {
			require.Equal(t, fmt.Sprint(i), e.Object, "at %d is %+v", i, e)
			require.Equal(t, int64(i+1), e.Position, "at %d is %+v", i, e)
		}
		assert.Len(t, all, len(changes))
	})
}

func TestAppendNeedsATransactionAndARollbackLeavesNothing(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		err := w.Append(t.Context(), change("u:a", "n", 1))
		assert.Error(t, err)
		assert.ErrorContains(t, err, "outside of a transaction")
		oops := errors.New("oops")
		err = w.store.Tx(t.Context(), func(ctx context.Context) error {
			return errors.Join(w.Append(ctx, change("u:a", "gone", 1)), oops)
		})
		require.ErrorIs(t, err, oops)
		w.append(change("u:a", "kept", 1))
		w.position()
		all := w.read(everything())
		require.Len(t, all, 1)
		assert.Equal(t, "kept", all[0].Object)
	})
}

// A cursor that a mutation gives was read before its writes: reading behind it
// gives all that the mutation wrote.
func TestTheHeadBeforeATransactionsWritesLiesBeforeThem(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		for i := range 3 {
			object := fmt.Sprint(i)
			var head int64
			err := w.store.Tx(t.Context(), func(ctx context.Context) (err error) {
				if head, err = w.Head(ctx); err != nil {
					return err
				}
				return w.Append(ctx, change("u:a", object, 1))
			})
			require.NoError(t, err)
			if i == 1 { // the relay is slow once
				w.append(change("u:b", "between", 1))
			}
			w.position()
			behind := w.read(event.Filter{Limit: 9, After: head})
			assert.True(t, slices.ContainsFunc(behind, func(e event.Event) bool { return e.Object == object }),
				"%s is not behind %d: %+v", object, head, behind)
		}
	})
}

// follower reads behind the last position that it was given, as a hub does.
type follower struct {
	seen []string
	last int64
}

func (f *follower) read(t testing.TB, w world) {
	events, err := w.Read(t.Context(), event.Filter{After: f.last, Limit: 7})
	assert.NoError(t, err)
	for _, e := range events {
		f.seen = append(f.seen, e.Object)
		f.last = e.Position
	}
}

func TestAReaderMissesNothingThatCommitsInAnotherOrderThanItBegan(t *testing.T) {
	t.Parallel()
	w := open(t, dbtest.Open(t, dbtest.Postgres(t)))
	var f follower
	firstWrote, secondIsRead, firstDone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(firstDone)
		err := w.store.Tx(t.Context(), func(ctx context.Context) error {
			err := w.Append(ctx, change("u:a", "first", 1))
			close(firstWrote)
			<-secondIsRead
			return err
		})
		assert.NoError(t, err)
	}()
	<-firstWrote
	w.append(change("u:a", "second", 1)) // has the higher row id and commits first
	w.position()
	f.read(t, w)
	close(secondIsRead)
	<-firstDone
	w.position()
	f.read(t, w)
	assert.Equal(t, "[second first]", fmt.Sprint(f.seen), "the reader saw %v", f.seen)
}

func TestConcurrentWritersLoseNoEventToAFollower(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		const writers, each = 8, 25
		var group sync.WaitGroup
		for i := range writers {
			group.Add(1)
			go func() {
				defer group.Done()
				for n := range each {
					err := w.store.Tx(t.Context(), func(ctx context.Context) error {
						changes := []event.Change{change("u:a", fmt.Sprintf("%d.%d", i, n), 1)}
						if rand.IntN(3) == 0 {
							changes = append(changes, change("u:b", fmt.Sprintf("%d.%d+", i, n), 1))
						}
						return w.Append(ctx, changes...)
					})
					assert.NoError(t, err)
				}
			}()
		}
		done := make(chan struct{})
		go func() { group.Wait(); close(done) }()
		var f follower
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			_, err := w.Position(t.Context(), 5)
			require.NoError(t, err)
			f.read(t, w)
		}
		w.position()
		for before := -1; before != len(f.seen); {
			before = len(f.seen)
			f.read(t, w)
		}
		w.checkSeen(f.seen, writers, each)
	})
}

func (w world) checkSeen(seen []string, writers, each int) {
	w.t.Helper()
	first := 0
	for _, object := range seen {
		if !strings.HasSuffix(object, "+") {
			first++
		}
	}
	sorted := slices.Sorted(slices.Values(seen))
	assert.Equal(w.t, writers*each, first, "the follower saw %d of %d, %d in all", first, writers*each, len(seen))
	assert.Len(w.t, slices.Compact(sorted), len(seen), "the follower saw %d of %d, %d in all", first, writers*each, len(seen))
	for i := range writers {
		var own []string
		for _, object := range seen {
			if strings.HasPrefix(object, fmt.Sprint(i)+".") && !strings.HasSuffix(object, "+") {
				own = append(own, object)
			}
		}
		for n, object := range own {
			require.Equal(w.t, fmt.Sprintf("%d.%d", i, n), object, "writer %d's are %v", i, own)
		}
	}
}

// Two relays may lead for a moment. Neither may move what the other positioned.
func TestTwoRelaysNeverChangeAPosition(t *testing.T) {
	t.Parallel()
	w := open(t, dbtest.Open(t, dbtest.Postgres(t)))
	positioned := map[string]int64{}
	var f follower
	for round := range 20 {
		hold, held := make(chan struct{}), make(chan struct{})
		late := make(chan error, 1)
		go func() { // a low row id that commits late
			late <- w.store.Tx(t.Context(), func(ctx context.Context) error {
				err := w.Append(ctx, change("u:a", fmt.Sprintf("late%d", round), 1))
				close(held)
				<-hold
				return err
			})
		}()
		<-held
		w.append(change("u:a", fmt.Sprintf("a%d", round), 1), change("u:a", fmt.Sprintf("b%d", round), 1))
		var relays sync.WaitGroup
		for range 3 {
			relays.Add(1)
			go func() {
				defer relays.Done()
				_, err := w.Position(t.Context(), 100)
				assert.False(t, err != nil && !store.Duplicate(err) && !deadlocked(err), "%v", err)
			}()
		}
		close(hold)
		require.NoError(t, <-late)
		f.read(t, w)
		relays.Wait()
		w.position()
		f.read(t, w)
		for _, e := range w.read(everything()) {
			was, ok := positioned[e.Object]
			require.False(t, ok && was != e.Position, "%s moved from %d to %d", e.Object, was, e.Position)
			positioned[e.Object] = e.Position
		}
	}
	assert.Len(t, f.seen, 60, "the follower saw %d of 60", len(f.seen))
}

// deadlocked tells that PostgreSQL let another statement win.
func deadlocked(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == "40P01"
}

// The second relay's statement began before the first one's commit and finds
// its rows locked: it must leave them as they are.
func TestARelayThatWaitedForAnotherLeavesItsPositions(t *testing.T) {
	t.Parallel()
	w := open(t, dbtest.Open(t, dbtest.Postgres(t)))
	ctx := t.Context()
	hold, held, late := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		late <- w.store.Tx(ctx, func(ctx context.Context) error {
			err := w.Append(ctx, change("u:a", "late", 1))
			close(held)
			<-hold
			return err
		})
	}()
	<-held
	w.append(change("u:a", "early", 1))
	second := make(chan error, 1)
	err := w.store.Tx(ctx, func(ctx context.Context) error {
		if n, err := w.Position(ctx, 100); n != 1 || err != nil {
			return fmt.Errorf("positioned %d: %w", n, err)
		}
		close(hold)
		if err := <-late; err != nil {
			return err
		}
		go func() { _, err := w.Position(t.Context(), 100); second <- err }()
		return w.waitForLock()
	})
	require.NoError(t, err)
	err = <-second
	require.False(t, err != nil && !store.Duplicate(err), "%v", err)
	w.position()
	var got []string
	for _, e := range w.read(everything()) {
		got = append(got, fmt.Sprint(e.Object, e.Position))
	}
	assert.Equal(t, "[early1 late2]", fmt.Sprint(got), "got %v", got)
}

// waitForLock returns when a statement of this database waits for a lock.
func (w world) waitForLock() error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		var waiting int
		err := w.store.DB().QueryRowContext(w.t.Context(),
			"SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
		if err != nil || waiting > 0 {
			return err
		}
		select {
		case <-w.t.Context().Done():
			return w.t.Context().Err()
		case <-poll.C:
		}
	}
}

func TestTrimDeletesTheOldestAndRemembersUntilWhere(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		for i := range 10 {
			w.append(change("u:a", fmt.Sprint(i), 1))
		}
		w.position()
		step := func(age time.Duration, rows, deleted, trimmed int64) {
			t.Helper()
			n, err := w.Trim(t.Context(), age, rows)
			at, terr := w.Trimmed(t.Context())
			assert.True(t, n == deleted && at == trimmed && err == nil && terr == nil,
				"deleted %d until %d (%v, %v); want %d until %d", n, at, err, terr, deleted, trimmed)
			assert.Equal(t, int64(10), w.head(), "the head")
		}
		step(time.Hour, 100, 0, 0)
		step(time.Hour, 10, 0, 0)
		step(time.Hour, 7, 3, 3)
		step(time.Hour, 7, 0, 3)
		old := store.Now().Add(-2 * time.Hour)
		_, err := w.store.Exec(t.Context(), "UPDATE events SET created_at = ? WHERE position <= 5", old)
		require.NoError(t, err)
		step(time.Hour, 100, 2, 5)
		step(-time.Hour, 100, 5, 10) // all of them
		step(-time.Hour, 0, 0, 10)
		w.append(change("u:a", "next", 1))
		w.position()
		all := w.read(everything())
		require.Len(t, all, 1, "behind what was trimmed comes %+v", all)
		assert.Equal(t, int64(11), all[0].Position, "behind what was trimmed comes %+v", all)
	})
}

func TestTrimLeavesWhatHasNoPositionYetAndGoesInSteps(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		var changes []event.Change
		for range 5300 {
			changes = append(changes, change("u:a", "n", 1))
		}
		w.append(changes...)
		w.position()
		w.append(change("u:a", "waiting", 1))
		n, err := w.Trim(t.Context(), time.Hour, 1)
		require.NoError(t, err, "deleted")
		require.GreaterOrEqual(t, n, int64(5299), "deleted")
		w.position()
		all := w.read(everything())
		require.NotEmpty(t, all, "left")
		assert.Equal(t, "waiting", all[len(all)-1].Object, "left")
		assert.Equal(t, int64(5301), all[len(all)-1].Position, "left")
	})
}

func TestALogKeepsItsEpoch(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		const processes = 4
		epochs := make([]string, processes)
		var group sync.WaitGroup
		for i := range processes {
			s := dbtest.Open(t, url)
			group.Add(1)
			go func() {
				defer group.Done()
				log, err := event.Open(t.Context(), s)
				if err != nil {
					t.Error(err)
					return
				}
				epochs[i] = log.Epoch()
			}()
		}
		group.Wait()
		require.Len(t, slices.Compact(epochs), 1, "processes that start at once have the epochs %v", epochs)
		assert.NotEmpty(t, epochs[0], "processes that start at once have the epochs %v", epochs)
		log, err := event.Open(t.Context(), dbtest.Open(t, url))
		require.NoError(t, err, "later it")
		assert.Equal(t, epochs[0], log.Epoch(), "later it is %v", log)
		assert.Equal(t, event.Cursor{Epoch: epochs[0], Position: 7}, log.Cursor(7), "later it is %v", log)
	})
}
