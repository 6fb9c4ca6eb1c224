package live_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/note"
)

func (h *house) events(ctx context.Context, after *event.Cursor, topics ...string) <-chan *live.Event {
	h.t.Helper()
	events, err := h.streams.Events(ctx, after, topics)
	require.NoError(h.t, err)
	return events
}

func (h *house) at(position int64) *event.Cursor {
	c := h.log.Cursor(position)
	return &c
}

func TestEventsComeFromNowOn(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		h.note("before")
		h.position()
		events := h.events(as(t, owner), nil)
		n := h.note("after")
		e := next(t, events)
		require.Equal(t, note.TypeNoteChanged, e.Type)
		require.Equal(t, "CREATED", e.State)
		require.Equal(t, n.ID, noteOf(e).ID)
		require.Equal(t, h.log.Epoch(), e.Cursor.Epoch)
		require.Equal(t, e.Position, e.Cursor.Position)
		require.WithinDuration(t, time.Now(), e.At, time.Minute)
		h.translate(n, "es")
		e = next(t, events)
		require.Equal(t, note.TypeTranslationChanged, e.Type)
		require.Equal(t, "es", translationOf(e).Language)
		e = next(t, events)
		require.Equal(t, job.TypeJobChanged, e.Type)
		require.Equal(t, n.ID, jobOf(e).ParentID)
	})
}

func TestEventsAreReplayedBehindACursorOnAnyProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		other := newHouse(t, h.store, h.bus) // another process on the same database
		other.runHub()
		other.ready()
		const n = 450 // more than two pages of the log
		for i := range n {
			h.note(fmt.Sprint(i))
			if i%10 == 0 {
				h.noteOf("user_b", "somebody else's")
			}
		}
		all := h.read(0)
		var mine []int64
		for _, e := range all {
			if e.Audience == event.User(owner) {
				mine = append(mine, e.Position)
			}
		}
		events := other.events(as(t, owner), h.at(mine[9]))
		for _, want := range mine[10:] {
			require.Equal(t, want, next(t, events).Position, "all of them, in their order, and only one's own")
		}
		fresh := h.note("and on")
		require.Equal(t, fresh.ID, next(t, events).Object)
	})
}

func TestNothingFallsBetweenReplayAndLive(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		start := h.at(h.position())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 60 {
				h.note(fmt.Sprint(i))
			}
		}()
		last := int64(0)
		events := h.events(as(t, owner), start)
		for i := range 60 {
			e := next(t, events)
			require.Equal(t, fmt.Sprint(i), noteOf(e).Text)
			require.Greater(t, e.Position, last)
			last = e.Position
			if i == 30 { // somebody resumes in the middle of it
				events = h.events(as(t, owner), &e.Cursor)
			}
		}
		<-done
	})
}

func TestMutationsCursorMissesNothingOfItsOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		jobs, cursor := h.translate(n, "es")
		h.finish(jobs[0])
		h.position()
		events := h.events(as(t, owner), &cursor)
		var states []string
		for len(states) < 4 {
			e := next(t, events)
			if e.Type != note.TypeNoteChanged { // on Postgres the note's own event may lie behind it
				states = append(states, e.State)
			}
		}
		require.Equal(t, []string{"PENDING", "QUEUED", "READY", "SUCCEEDED"}, states)
	})
}

func TestTopicsNarrowTheStream(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		jobsOnly := h.events(as(t, owner), nil, job.TopicJobs)
		notesOnly := h.events(as(t, owner), nil, note.TopicNotes)
		j := h.ask("one")
		require.Equal(t, j.ID, next(t, jobsOnly).Object)
		require.Equal(t, note.TypeNoteChanged, next(t, notesOnly).Type)
		require.Equal(t, note.TypeTranslationChanged, next(t, notesOnly).Type)
		h.finish(j)
		e := next(t, jobsOnly)
		require.Equal(t, "SUCCEEDED", e.State)
		require.Equal(t, "READY", next(t, notesOnly).State)
		replayed := h.events(as(t, owner), h.at(0), job.TopicJobs)
		require.Equal(t, "QUEUED", next(t, replayed).State)
		require.Equal(t, "SUCCEEDED", next(t, replayed).State)
	})
}

func TestTrimmedHistoryIsOneReset(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		for i := range 6 {
			h.note(fmt.Sprint(i))
		}
		head := h.position()
		_, err := h.log.Trim(t.Context(), time.Hour, 3)
		require.NoError(t, err)
		events := h.events(as(t, owner), h.at(1), job.TopicJobs)
		e := next(t, events)
		require.Equal(t, "EXPIRED", e.Reset, "whatever the topics")
		require.Equal(t, head, e.Cursor.Position, "it goes on from the present")
		require.WithinDuration(t, time.Now(), e.At, time.Minute)
		j := h.ask("next")
		require.Equal(t, j.ID, next(t, events).Object, "one reset, then it goes on")

		kept := h.events(as(t, owner), h.at(head-3))
		for p := head - 2; p <= head; p++ {
			e := next(t, kept)
			require.Empty(t, e.Reset, "what is kept is replayed")
			require.Equal(t, p, e.Position)
		}
	})
}

func TestCursorOfAnotherLogIsOneReset(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		h.note("one")
		head := h.position()
		for name, after := range map[string]event.Cursor{
			"another epoch":    {Epoch: "restored", Position: 1},
			"no such position": {Epoch: h.log.Epoch(), Position: head + 1000},
		} {
			events := h.events(as(t, owner), &after)
			e := next(t, events)
			require.Equal(t, "EPOCH", e.Reset, name)
			n := h.note("next")
			got := next(t, events)
			require.Empty(t, got.Reset)
			require.Equal(t, n.ID, got.Object)
		}
	})
}

func TestStreamThatFellBehindTheTrimmedHistoryIsReset(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		background(t, h.relay.Run)
		stop := h.runHub()
		h.ready()
		events := h.events(as(t, owner), nil)
		stop()
		for i := range 6 {
			h.note(fmt.Sprint(i))
		}
		h.position()
		_, err := h.log.Trim(t.Context(), time.Hour, 2)
		require.NoError(t, err)
		h.runHub()
		require.Equal(t, "EXPIRED", next(t, events).Reset, "a gap is a value")
		h.ready()
		n := h.note("next")
		require.Equal(t, n.ID, next(t, events).Object)
	})
}

func TestSlowReaderOfEventsIsServedFromTheTable(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		events := h.events(as(t, owner), nil)
		const n = live.Pending + 60
		for i := range n {
			h.note(fmt.Sprint(i))
		}
		for i := range n {
			require.Equal(t, fmt.Sprint(i), noteOf(next(t, events)).Text, "nothing is skipped")
		}
	})
}

func TestCursorBelongsToNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		theirs := h.note("owner's")
		j, _ := h.translate(theirs, "es")
		h.finish(j[0])
		own := h.noteOf("user_b", "own")
		h.position()
		events := h.events(as(t, "user_b"), h.at(0))
		require.Equal(t, own.ID, next(t, events).Object, "with another's cursor one sees only one's own")
		_, err := h.streams.Events(t.Context(), nil, nil)
		require.Error(t, err)
	})
}

func TestEventOfWhatIsGoneHasNoObject(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		j, _ := h.translate(n, "es")
		_, err := h.notes.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		h.position()
		events := h.events(as(t, owner), h.at(0))
		for {
			e := next(t, events)
			if e.Type == job.TypeJobChanged {
				require.Equal(t, j[0].ID, jobOf(e).ID)
			} else {
				require.Nil(t, e.Loaded)
			}
			if e.State == "DELETED" {
				break
			}
		}
		_, err = h.notes.Get(as(t, owner), n.ID)
		notFound(t, err)
	})
}
