package live_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/event"
	"parley/internal/live"
	"parley/internal/note"
)

func (h *house) translations(ctx context.Context, n *gen.Note, after *event.Cursor) <-chan *note.TranslationUpdate {
	h.t.Helper()
	updates, err := h.series(ctx, n.ID, after)
	require.NoError(h.t, err)
	return updates
}

func (h *house) series(ctx context.Context, id string, after *event.Cursor) (<-chan *note.TranslationUpdate, error) {
	return live.Series(ctx, h.streams, h.notes.Series(), id, after, func(at event.Cursor, t *gen.Translation) *note.TranslationUpdate {
		return &note.TranslationUpdate{Cursor: at, Translation: t}
	})
}

func said(u *note.TranslationUpdate) string {
	return fmt.Sprintf("%s%d %s", u.Translation.Language, u.Translation.TextVersion, u.Translation.State)
}

func TestTranslationStreamGivesThePresentOnesThenEveryChange(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		jobs, _ := h.translate(n, "es", "fr")
		h.finish(jobs[0])
		updates := h.translations(as(t, owner), n, nil)
		require.Equal(t, "es1 READY", said(next(t, updates)))
		require.Equal(t, "fr1 PENDING", said(next(t, updates)))
		h.finish(jobs[1])
		u := next(t, updates)
		require.Equal(t, "fr1 READY", said(u))
		require.Equal(t, "hecho", *u.Translation.Text)
		text := "another"
		_, err := h.notes.Update(as(t, owner), note.UpdateNoteInput{ID: n.ID, Text: &text})
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"es1 STALE", "fr1 STALE"}, []string{said(next(t, updates)), said(next(t, updates))})
		h.translate(n, "es")
		require.Equal(t, "es2 PENDING", said(next(t, updates)))
		_, err = h.notes.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		ends(t, updates)
	})
}

func TestTranslationStreamAfterACursorGivesOnlyWhatChangedSince(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		jobs, _ := h.translate(n, "es", "fr")
		h.finish(jobs[0])
		h.position()
		more, cursor := h.translate(n, "de")
		require.Len(t, more, 1)
		h.position()
		updates := h.translations(as(t, owner), n, &cursor)
		require.Equal(t, "de1 PENDING", said(next(t, updates)))
		h.finish(jobs[1])
		u := next(t, updates)
		require.Equal(t, "fr1 READY", said(u))

		text := "another"
		_, err := h.notes.Update(as(t, owner), note.UpdateNoteInput{ID: n.ID, Text: &text})
		require.NoError(t, err)
		h.translate(n, "es")
		h.position()
		again := h.translations(as(t, owner), n, &u.Cursor)
		got := map[string]bool{said(next(t, again)): true, said(next(t, again)): true, said(next(t, again)): true}
		require.Equal(t, map[string]bool{"es1 STALE": true, "fr1 STALE": true, "es2 PENDING": true}, got, "also of texts that are no more")
	})
}

// A translation that became ready between looking for what is new and reading
// the present ones counted as delivered.
func TestTranslationAskedForAndFinishedAtOnceIsNotMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		for i := range 15 {
			n := h.note(fmt.Sprint(i))
			jobs, _ := h.translate(n, "es")
			cursor := h.log.Cursor(h.position())
			done := make(chan struct{})
			go func() {
				defer close(done)
				h.finish(jobs[0])
			}()
			updates := h.translations(as(t, owner), n, &cursor)
			require.Equal(t, "es1 READY", said(next(t, updates)))
			<-done
		}
	})
}

func TestTranslationStreamWithAUselessCursorGivesAll(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		jobs, cursor := h.translate(n, "es")
		h.finish(jobs[0])
		head := h.position()
		for name, after := range map[string]event.Cursor{
			"of another log":          {Epoch: "restored", Position: 1},
			"from the future":         {Epoch: h.log.Epoch(), Position: head + 100},
			"of the future elsewhere": {Epoch: "restored", Position: head + 100},
		} {
			require.Equal(t, "es1 READY", said(next(t, h.translations(as(t, owner), n, &after))), name)
		}
		_, err := h.log.Trim(t.Context(), time.Hour, 1)
		require.NoError(t, err)
		require.Equal(t, "es1 READY", said(next(t, h.translations(as(t, owner), n, &cursor))), "of what is deleted")
	})
}

func TestTranslationStreamReadsAnewWhenItsWatchOverflows(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		background(t, h.relay.Run)
		stop := h.runHub()
		h.ready()
		n := h.note("one")
		jobs, _ := h.translate(n, "es", "fr")
		updates := h.translations(as(t, owner), n, nil)
		next(t, updates)
		next(t, updates)
		stop()
		h.finish(jobs[1])
		h.runHub() // it tells every watch to look for itself
		require.Equal(t, "fr1 READY", said(next(t, updates)))
		h.finish(jobs[0])
		require.Equal(t, "es1 READY", said(next(t, updates)))
	})
}

func TestTranslationStreamEndsWhenItsNoteWasDeletedUnseen(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		stop := h.runHub()
		h.ready()
		n := h.note("one")
		updates := h.translations(as(t, owner), n, nil)
		stop()
		_, err := h.notes.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		h.position()
		h.runHub()
		ends(t, updates)
	})
}

func TestTranslationStreamIsForItsOwnerAndAdmins(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		_, err := h.series(as(t, "user_b"), n.ID, nil)
		notFound(t, err)
		_, err = h.series(t.Context(), n.ID, nil)
		require.Error(t, err)
		require.Zero(t, h.hub.Subscriptions())
		updates := h.translations(asAdmin(t), n, nil)
		h.translate(n, "es")
		require.Equal(t, "es1 PENDING", said(next(t, updates)))
	})
}
