package live_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/event"
	"parley/internal/live"
	"parley/internal/note"
)

var analysts = event.Role(string(auth.RoleAnalyst))

// twoAudiences commits n events, in turn for the owner and for analysts.
func (h *house) twoAudiences(n int) []event.Event {
	h.t.Helper()
	before := h.position()
	for i := range n {
		audience := event.User(owner)
		if i%2 == 1 {
			audience = analysts
		}
		h.consent(fmt.Sprint("dlg_", i), "APPROVED", audience)
	}
	return h.read(before)
}

func asAnalyst(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleAnalyst})
}

func inOrder(t *testing.T, events <-chan *live.Event, want []event.Event) {
	t.Helper()
	for _, e := range want {
		require.Equal(t, e.Position, next(t, events).Position)
	}
}

// The analyst's own events and those of analysts lie in two shards. What was
// lost of one of them comes before what is newer of the other: a client may
// resume from any event that it has.
func TestALostBatchOfOneShardHoldsUpTheOthersUntilItIsHealed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		require.NotEqual(t, event.ShardOf(analysts), event.ShardOf(event.User(owner)))
		h.runHub()
		h.ready()
		events := h.events(asAnalyst(t), nil)
		all := h.twoAudiences(6)
		h.publishBatches(h.log.Epoch(), all[0], all[2], all[4], all[5]) // two of the analysts' are lost
		h.endRound(h.log.Epoch(), all[0].Position-1, all...)
		inOrder(t, events, all)
	})
}

func TestALostRoundIsHealedBeforeTheNext(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		events := h.events(asAnalyst(t), nil)
		all := h.twoAudiences(8)
		h.publish(all[3].Position, all[4:]...)
		inOrder(t, events, all)
	})
}

func TestEventsWhoseRoundNeverEndsAreHandedOnAllTheSame(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.hub.CheckEvery(10 * time.Millisecond)
		h.runHub()
		h.ready()
		events := h.events(asAnalyst(t), nil)
		all := h.twoAudiences(4)
		h.publishBatches(h.log.Epoch(), all[1:]...)
		inOrder(t, events, all)
	})
}

func TestTwoRelaysAtATimeDoubleNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		events := h.events(asAnalyst(t), nil)
		all := h.twoAudiences(6)
		before := all[0].Position - 1
		h.publishBatches(h.log.Epoch(), all[2], all[3])
		h.publish(before, all[:4]...)
		h.publish(before, all...)
		h.publish(all[3].Position, all[4:]...)
		more := h.twoAudiences(2)
		h.publish(all[5].Position, more...)
		inOrder(t, events, append(all, more...))
	})
}

func TestARoundThatCountsWronglyIsNotBelieved(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		events := h.events(asAnalyst(t), nil)
		all := h.twoAudiences(2)
		h.send(event.SubjectRounds, event.Round{Epoch: h.log.Epoch(), Previous: all[0].Position - 1, Position: 1 << 40})
		inOrder(t, events, all)
		more := h.twoAudiences(2)
		h.publish(all[1].Position, more...)
		inOrder(t, events, more)
	})
}

func TestAHubListensToTheShardsThatItsSubscribersNeed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.hub.CheckEvery(5 * time.Millisecond)
		h.run()
		h.ready()
		require.Zero(t, h.hub.Shards())
		one, two := h.watchAs(live.Policy{}, owner, event.User(owner)), h.watchAs(live.Policy{}, owner, event.User(owner))
		require.Equal(t, 1, h.hub.Shards())
		h.note("one")
		require.Equal(t, []int64{1}, upTo(t, one, 1))
		one.Close()
		h.note("two")
		require.Equal(t, []int64{1, 2}, upTo(t, two, 2), "another one needs it still")
		two.Close()
		// The hub leaves a shard when it next looks, and tells nobody.
		require.Eventually(t, func() bool { return h.hub.Shards() == 0 }, patience, time.Millisecond)
		h.note("nobody listens")
		three := h.watch(event.User(owner))
		head := h.position()
		h.note("somebody does")
		require.Contains(t, upTo(t, three, head+1), head+1)
	})
}

// Whoever comes while events are on their way, to a shard that the hub has not
// listened to so far, gets all that is committed after.
func TestWhoeverComesAmidTrafficMissesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.hub.CheckEvery(time.Millisecond) // shards are left as soon as they are not needed
		h.run()
		h.ready()
		stop := background(t, func(ctx context.Context) error {
			for i := 0; ctx.Err() == nil; i++ {
				h.noteOf(fmt.Sprint("user_", i%4), fmt.Sprint(i))
			}
			return nil
		})
		for i := range 60 {
			user := fmt.Sprint("user_", i%4)
			ctx, cancel := context.WithCancel(as(t, user))
			events := h.events(ctx, nil)
			first := next(t, events).Position
			mine, err := h.log.Read(ctx, event.Filter{Audiences: []string{event.User(user)}, After: first, Limit: 3})
			require.NoError(t, err)
			inOrder(t, events, mine)
			cancel()
		}
		stop()
		require.Zero(t, h.hub.Counts().Dropped.Load())
	})
}

func TestEventsThatWaitForAllReadersAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.hub.HoldEvents(20)
		h.run()
		h.ready()
		stuck, healthy := make([]<-chan *live.Event, 10), h.events(as(t, owner), nil)
		for i := range stuck {
			stuck[i] = h.events(as(t, owner), nil)
		}
		for i := range 30 {
			h.note(fmt.Sprint(i))
			require.Equal(t, fmt.Sprint(i), noteOf(next(t, healthy)).Text)
			require.LessOrEqual(t, h.hub.Held(), int64(20))
		}
		require.NotZero(t, h.hub.Counts().Overflows.Load())
		for _, events := range stuck {
			for i := range 30 {
				require.Equal(t, fmt.Sprint(i), noteOf(next(t, events)).Text, "they are served from the log")
			}
		}
		require.Zero(t, h.hub.Counts().Dropped.Load())
	})
}

func TestAListenerHearsOfItsKeysAndOfWhatItMayHaveMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		heard, lost := make(chan event.Event, 10), make(chan struct{}, 10)
		stop := h.hub.Listen([]string{event.User(owner)}, []string{"dlg_1"}, live.Listener{
			Event: func(e event.Event) { heard <- e }, Lost: func() { lost <- struct{}{} },
		})
		h.run()
		h.ready()
		next(t, lost) // it is older than the hub's beginning
		h.consent("dlg_0", "APPROVED", event.User(owner))
		h.consent("dlg_1", "APPROVED", event.User(owner))
		require.Equal(t, "dlg_1", next(t, heard).Object)
		stop()
		stop()
		require.Zero(t, h.hub.Subscriptions())
	})
}

// What a heal reads may lie wholly behind the head that it knew when it began,
// where the last event before that head is nobody's here.
func TestAHealThatMuchIsWrittenDuringComesToItsEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.hub.CheckEvery(50 * time.Millisecond)
		h.runHub()
		h.ready()
		positions := make(chan int64, 20_000) // more than there will be
		stop := h.hub.Listen([]string{event.User(owner)}, []string{event.User(owner)}, live.Listener{
			Event: func(e event.Event) { positions <- e.Position }, Lost: func() {},
		})
		defer stop()
		put := func(n int, user string) {
			changes := make([]event.Change, n)
			for i := range changes {
				changes[i] = event.Change{Audience: event.User(user), Topic: dialog.TopicDialogs, Type: dialog.TypeConsentChanged, Object: fmt.Sprint("d", i), State: "APPROVED"}
			}
			require.NoError(t, h.store.Tx(t.Context(), func(ctx context.Context) error { return h.log.Append(ctx, changes...) }))
		}
		put(10_000, owner)
		put(1, "user_b") // of a shard that the hub does not listen to
		h.position()
		for range 500 { // nothing was published: the heal is under way
			next(t, positions)
		}
		put(1000, owner)
		head := h.position()
		for next(t, positions) != head {
		}
	})
}

// Nothing of a quiet viewer's is gone when others' events are.
func TestAQuietStreamIsNotResetWhenOthersEventsAreTrimmed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		background(t, h.relay.Run)
		stop := h.runHub()
		h.ready()
		events, other := h.events(as(t, owner), nil), h.events(as(t, "user_b"), nil)
		h.note("mine")
		require.Equal(t, note.TypeNoteChanged, next(t, events).Type)
		for i := range 6 {
			h.noteOf("user_b", fmt.Sprint(i))
			require.Equal(t, fmt.Sprint(i), noteOf(next(t, other)).Text)
		}
		_, err := h.log.Trim(t.Context(), time.Hour, 1)
		require.NoError(t, err)
		stop()
		h.runHub() // every stream looks for itself
		h.ready()
		n := h.note("mine again")
		e := next(t, events)
		require.Empty(t, e.Reset)
		require.Equal(t, n.ID, e.Object)
	})
}

func TestAPanicEndsItsStreamAndNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		broken, err := live.Events(as(t, owner), h.streams, live.EventsAsk{}, func(*live.Event) string { panic("on purpose") })
		require.NoError(t, err)
		healthy := h.events(as(t, owner), nil)
		h.note("one")
		ends(t, broken)
		require.Equal(t, "one", noteOf(next(t, healthy)).Text)
	})
}
