package live_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/live"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// upTo takes from a watch until it has the event at the position, and gives the
// positions of all that came.
func upTo(t testing.TB, w watched, position int64) (all []int64) {
	t.Helper()
	for taken := range takes(t, w) {
		for _, e := range taken.Events {
			all = append(all, e.Position)
		}
		if len(all) > 0 && all[len(all)-1] >= position {
			return all
		}
	}
	return all
}

func count(from, to int64) (all []int64) {
	for p := from; p <= to; p++ {
		all = append(all, p)
	}
	return all
}

func TestHubHandsOnWhatTheRelayPublishes(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		mine, theirs := h.watch(event.User(owner)), h.watchAs(live.Policy{}, "user_b", event.User("user_b"))
		defer theirs.Close()
		require.Equal(t, 2, h.hub.Subscriptions())
		for i := range 5 {
			h.note(fmt.Sprint(i))
		}
		require.Equal(t, count(1, 5), upTo(t, mine, 5))
		require.Empty(t, theirs.Take().Events, "others hear nothing of it")
	})
}

func TestHubHealsAHoleFromTheDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		for i := range 5 {
			h.note(fmt.Sprint(i))
		}
		all := h.read(0)
		h.publish(0, all[0])
		h.publish(4, all[4]) // 2 to 4 were lost on the way
		require.Equal(t, count(1, 5), upTo(t, w, 5))
		require.GreaterOrEqual(t, h.hub.Counts().Healed.Load(), int64(3))
		h.publish(0, all[2]) // late, and known by now
		h.note("one more")
		h.publish(5, h.read(5)...)
		require.Equal(t, []int64{6}, upTo(t, w, 6))
	})
}

func TestHubFindsTheLastEventsOfAShardThatWereLost(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.hub.CheckEvery(10 * time.Millisecond)
		h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		h.note("nobody publishes this")
		h.position()
		require.Equal(t, []int64{1}, upTo(t, w, 1))
	})
}

func TestHubLearnsFromTheRelaysFirstWords(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		h.note("the relay died before it published this")
		h.position()
		background(t, h.relay.Run)
		require.Equal(t, []int64{1}, upTo(t, w, 1))
	})
}

// While relays come and go under load, each event reaches a watch exactly once
// and in order. An event that was committed while a new relay read where it
// stood was neither announced nor published.
func TestNoEventIsLostWhileRelaysComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		// What is written while no relay runs comes at once.
		w := h.watchAs(live.Policy{Pending: 100_000}, owner, event.User(owner))
		stopWriting := background(t, func(ctx context.Context) error {
			for i := 0; ctx.Err() == nil; i++ {
				h.note(fmt.Sprint(i))
			}
			return nil
		})
		var got []int64
		for range 12 {
			stop := background(t, h.relay.Run)
			got = append(got, upTo(t, w, int64(len(got)+1))...)
			stop()
		}
		stopWriting()
		background(t, h.relay.Run)
		h.note("last")
		total := int64(len(h.read(0)))
		if int64(len(got)) < total {
			got = append(got, upTo(t, w, total)...)
		}
		require.Equal(t, count(1, total), got)
	})
}

func TestHubTellsWatchesThatAreOlderThanItself(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		w := h.watch(event.User(owner))
		h.note("before the hub runs")
		h.position()
		h.runHub()
		for taken := range takes(t, w) {
			require.True(t, taken.Overflow, "it must read the log")
			return
		}
	})
}

func TestHubStartsAgainWhereItWas(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		background(t, h.relay.Run)
		stop := h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		h.note("one")
		require.Equal(t, []int64{1}, upTo(t, w, 1))
		stop()
		h.note("while it was away")
		h.position()
		h.runHub()
		for taken := range takes(t, w) {
			if taken.Overflow {
				break
			}
		}
		h.ready()
		h.note("three")
		require.Equal(t, int64(3), upTo(t, w, 3)[0])
	})
}

func TestHubOutlivesTheLossOfNATS(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		server := testkit.NATS(t)
		bus, err := natsx.Connect(t.Context(), server.URL(), natsx.Options{})
		require.NoError(t, err)
		t.Cleanup(bus.Close)
		require.NoError(t, bus.EnsureStreams(t.Context()))
		h := newHouse(t, s, bus)
		h.run()
		h.ready()
		w := h.watch(event.User(owner))
		h.note("one")
		require.Equal(t, []int64{1}, upTo(t, w, 1))
		server.Kill()
		h.note("two")
		h.note("three")
		server.Restart()
		require.Equal(t, []int64{2, 3}, upTo(t, w, 3))
		h.note("four")
		require.Equal(t, []int64{4}, upTo(t, w, 4))
	})
}

func TestForeignAndUnreadableBatchesAreIgnored(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		h.note("one")
		e := h.read(0)[0]
		shard := event.ShardOf(e.Audience)
		for _, data := range []string{"", "{", `{"shard": 64}`, `{"shard": -1}`, `[]`} {
			require.NoError(t, h.bus.Conn().Publish(event.ShardSubject(shard), []byte(data)))
			require.NoError(t, h.bus.Conn().Publish(event.SubjectRounds, []byte(data)))
		}
		foreign := e
		foreign.Position = 99
		h.publishBatches("another-database", foreign)
		h.endRound("another-database", 98, foreign)
		for _, data := range []string{"", "{", "{}"} {
			require.NoError(t, h.bus.Conn().Publish(jobspec.ProgressSubject("run_x"), []byte(data)))
		}
		h.publish(0, e)
		require.Equal(t, []int64{1}, upTo(t, w, 1))
	})
}

func TestSlowWatchGetsTheLatestStateAndEveryFinalOne(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watchAs(live.Policy{Conflate: true}, owner, event.User(owner))
		change := func(object, typ, state string, position int64) event.Event {
			return event.Event{Position: position, Audience: event.User(owner), Type: typ, Object: object, Version: position, State: state}
		}
		h.publish(0,
			change("job_1", job.TypeJobChanged, "QUEUED", 1),
			change("job_1", job.TypeJobChanged, "RUNNING", 2),
			change("note_1", note.TypeNoteChanged, "CREATED", 3),
			change("tr_1", note.TypeTranslationChanged, "PENDING", 4),
			change("job_1", job.TypeJobChanged, "FAILED", 5),
			change("job_1", job.TypeJobChanged, "QUEUED", 6), // somebody retried it
			change("job_2", job.TypeJobChanged, "QUEUED", 7),
			change("note_1", note.TypeNoteChanged, "UPDATED", 8),
			change("tr_1", note.TypeTranslationChanged, "READY", 9),
			change("job_1", job.TypeJobChanged, "RUNNING", 10),
			change("tr_1", note.TypeTranslationChanged, "STALE", 11),
		)
		marker := h.watch("job_3")
		h.publish(11, event.Event{Position: 12, Audience: event.User(owner), Object: "job_2b"}, change("job_3", job.TypeJobChanged, "QUEUED", 13))
		<-marker.C
		var got []int64
		for _, e := range w.Take().Events {
			got = append(got, e.Position)
		}
		require.Equal(t, []int64{3, 5, 7, 8, 9, 10, 11, 12}, got[:8])
	})
}

func TestWatchIsBoundedAndSaysSo(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w, other := h.watch(event.User(owner)), h.watch("object-1")
		defer other.Close()
		var events []event.Event
		for p := int64(1); p <= live.Pending+10; p++ {
			events = append(events, event.Event{Position: p, Audience: event.User(owner), Object: fmt.Sprintf("object-%d", p)})
		}
		h.publish(0, events...)
		last := h.watch(fmt.Sprintf("object-%d", live.Pending+11))
		h.publish(live.Pending+10, event.Event{Position: live.Pending + 11, Audience: event.User(owner), Object: fmt.Sprintf("object-%d", live.Pending+11)})
		<-last.C
		taken := w.Take()
		require.True(t, taken.Overflow)
		require.LessOrEqual(t, len(taken.Events), live.Pending)
		require.False(t, other.Take().Overflow, "no reader slows another")
		require.False(t, w.Take().Overflow, "said once")
	})
}

func TestProgressOnlyGrows(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watch("run_x")
		h.progress("run_x", 1, 0.5, "half of it")
		h.hears(w, "run_x", "half of it")
		for _, late := range []struct {
			attempt int
			share   float64
			partial string
		}{{1, 0.2, "half"}, {1, 0.5, "h"}, {0, 0.9, "of another attempt"}} {
			h.progress("run_x", late.attempt, late.share, late.partial)
		}
		h.progress("run_x", 1, 0.4, "half of it and")
		require.InDelta(t, 0.5, h.hears(w, "run_x", "half of it and").Progress, 1e-9, "the share does not fall back")
		h.progress("run_x", 2, 0.1, "half of")
		p := h.hears(w, "run_x", "half of it and")
		require.Equal(t, 2, p.Attempt, "a later attempt that makes the same text")
		require.InDelta(t, 0.5, p.Progress, 1e-9)
		h.progress("run_x", 3, 0.1, "a")
		p = h.hears(w, "run_x", "a")
		require.Equal(t, 3, p.Attempt, "one that makes another begins anew")
		require.InDelta(t, 0.1, p.Progress, 1e-9)
	})
}

func TestHistoryThatIsGoneMakesWatchesLookForThemselves(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		for i := range 6 {
			h.note(fmt.Sprint(i))
		}
		all := h.read(0)
		_, err := h.log.Trim(t.Context(), time.Hour, 3)
		require.NoError(t, err)
		h.publish(5, all[5])
		for taken := range takes(t, w) {
			if taken.Overflow {
				return
			}
			require.Empty(t, taken.Events, "three events are gone")
		}
	})
}
