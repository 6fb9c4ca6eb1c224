package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
)

// TranslationUpdate is one message of the subscription translations.
type TranslationUpdate struct {
	Cursor      event.Cursor
	Translation *gen.Translation
}

// Translations streams the translations of a note: without after the present
// ones first, then every change. It ends when the note is deleted.
func (s *Streams) Translations(ctx context.Context, noteID string, after *event.Cursor) (<-chan *TranslationUpdate, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	w := s.hub.Watch(noteID)
	head, err := s.log.Head(ctx)
	if err != nil {
		w.Close()
		return nil, err
	}
	n, err := s.note.Get(ctx, noteID)
	if err != nil {
		w.Close()
		return nil, err
	}
	if after != nil && after.Position > head {
		after = nil
	}
	out := make(chan *TranslationUpdate)
	go func() {
		defer close(out)
		defer w.Close()
		r := &translationReader{Streams: s, viewer: viewer, note: n, cursor: s.log.Cursor(head), versions: map[string]int64{}}
		if after != nil {
			// What is older than the cursor was delivered before.
			r.since = s.sinceOf(ctx, *after, n)
		}
		r.run(ctx, w, out)
	}()
	return out, nil
}

// sinceOf gives the ids of the note's translations that changed after the
// cursor, or nil when the log no longer tells: then all of them count.
func (s *Streams) sinceOf(ctx context.Context, after event.Cursor, n *gen.Note) map[string]bool {
	trimmed, err := s.log.Trimmed(ctx)
	if err != nil || after.Epoch != s.log.Epoch() || after.Position < trimmed {
		return nil
	}
	since := map[string]bool{}
	for {
		events, err := s.log.Read(ctx, event.Filter{Audiences: []string{event.User(n.OwnerID)}, Shard: -1, After: after.Position, Limit: 500})
		if err != nil {
			return nil
		}
		for _, e := range events {
			if e.Type == event.TypeTranslationChanged && e.Parent == n.ID {
				since[e.Object] = true
			}
			after.Position = e.Position
		}
		if len(events) < 500 {
			return since
		}
	}
}

type translationReader struct {
	*Streams
	viewer   auth.Viewer
	note     *gen.Note
	cursor   event.Cursor
	since    map[string]bool
	versions map[string]int64
}

func (r *translationReader) run(ctx context.Context, w *Watch, out chan<- *TranslationUpdate) {
	if !r.present(ctx, out) {
		return
	}
	for wait(ctx, w) {
		t := w.Take()
		if t.Overflow {
			r.since = nil
			if !r.present(ctx, out) {
				return
			}
		}
		for _, e := range t.Events {
			if e.Type == event.TypeNoteChanged && e.State == "DELETED" {
				return
			}
			if e.Type != event.TypeTranslationChanged {
				continue
			}
			tr, err := r.translationLoader.Get(ctx, e.Object, e.Version)
			if apperr.Is(err, apperr.NotFound) {
				continue // deleted with its note, whose event follows
			}
			if err != nil || !r.viewer.Sees(tr.OwnerID) {
				return
			}
			r.cursor.Position = max(r.cursor.Position, e.Position)
			if !r.emit(ctx, tr, out) {
				return
			}
		}
	}
}

// present hands on the note's translations as they are now.
func (r *translationReader) present(ctx context.Context, out chan<- *TranslationUpdate) bool {
	byNote, err := r.Streams.note.Translations(ctx, []string{r.note.ID}, false)
	if err != nil {
		return false
	}
	for _, t := range byNote[r.note.ID] {
		if r.since != nil && !r.since[t.ID] {
			r.versions[t.ID] = t.Version
			continue
		}
		if !r.emit(ctx, t, out) {
			return false
		}
	}
	return true
}

func (r *translationReader) emit(ctx context.Context, t *gen.Translation, out chan<- *TranslationUpdate) bool {
	if t.Version <= r.versions[t.ID] {
		return true
	}
	r.versions[t.ID] = t.Version
	return send(ctx, out, &TranslationUpdate{Cursor: r.cursor, Translation: t})
}
