package live_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/note"
)

func (h *house) since(after *event.Cursor, wait time.Duration, topics ...string) *live.Batch {
	h.t.Helper()
	b, err := h.streams.Since(as(h.t, owner), after, topics, wait)
	require.NoError(h.t, err)
	return b
}

func TestALongPollGivesWhatThereIsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		begin := h.since(nil, 0)
		require.Empty(t, begin.Events)
		for range 250 {
			h.note("n")
		}
		h.noteOf("user_b", "somebody else's")
		h.position()
		var got []int64
		at := begin.Cursor
		for more := true; more; {
			b := h.since(&at, live.MaxWait)
			require.LessOrEqual(t, len(b.Events), 100)
			for _, e := range b.Events {
				got = append(got, e.Position)
			}
			at, more = b.Cursor, b.More
		}
		require.Equal(t, count(1, 250), got)
		require.Empty(t, h.since(&at, 0).Events)
	})
}

// polled waits until a long poll hangs on the hub. Whoever polls hears nothing of
// it before there is an answer.
func (h *house) polled() {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return h.hub.Subscriptions() > 0 }, patience, time.Millisecond)
}

func TestALongPollWaitsForTheFirstEvent(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		before := h.since(nil, 0).Cursor
		got := make(chan *live.Batch)
		go func() {
			b, err := h.streams.Since(as(t, owner), &before, []string{note.TopicNotes}, live.MaxWait)
			assert.NoError(t, err)
			got <- b
		}()
		h.polled()
		h.consent("of no interest", "APPROVED", event.User(owner))
		n := h.note("first")
		b := next(t, got)
		require.Len(t, b.Events, 1)
		require.Equal(t, n.ID, noteOf(b.Events[0]).ID)
		require.False(t, b.More)
		require.Zero(t, h.hub.Subscriptions(), "it leaves nothing behind")
		require.Empty(t, h.since(&b.Cursor, time.Millisecond).Events)
	})
}

func TestALongPollOfALostHistoryIsOneReset(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		for range 6 {
			h.note("n")
		}
		head := h.position()
		_, err := h.log.Trim(t.Context(), time.Hour, 3)
		require.NoError(t, err)
		for reason, after := range map[string]*event.Cursor{"EXPIRED": h.at(1), "EPOCH": {Epoch: "restored", Position: 1}} {
			b := h.since(after, live.MaxWait, job.TopicJobs)
			require.Len(t, b.Events, 1)
			require.Equal(t, reason, b.Events[0].Reset)
			require.Equal(t, head, b.Cursor.Position)
			require.Empty(t, h.since(&b.Cursor, 0).Events)
		}
	})
}

func TestALongPollEndsWithItsCallerAndWithTheServer(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		ctx, cancel := context.WithCancel(as(t, owner))
		ended := make(chan error)
		poll := func() {
			_, err := h.streams.Since(ctx, nil, nil, live.MaxWait)
			ended <- err
		}
		go poll()
		h.polled()
		cancel()
		require.ErrorIs(t, next(t, ended), context.Canceled)
		ctx = as(t, owner)
		go poll()
		h.polled()
		h.streams.Stop()
		require.NoError(t, next(t, ended))
		require.Empty(t, h.since(nil, live.MaxWait).Events, "those to come do not wait")
	})
}

func TestALongPollRefusesBadInput(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		for _, wait := range []time.Duration{-1, live.MaxWait + 1} {
			_, err := h.streams.Since(as(t, owner), nil, nil, wait)
			require.True(t, apperr.Is(err, apperr.BadInput), "%v", err)
		}
		_, err := h.streams.Since(t.Context(), nil, nil, 0)
		require.True(t, apperr.Is(err, apperr.Unauthenticated), "%v", err)
		_, err = h.streams.Since(asKey(t, owner), nil, nil, 0)
		require.True(t, apperr.Is(err, apperr.Forbidden), "%v", err)
	})
}
