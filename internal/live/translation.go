package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
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
	if after.Epoch != s.log.Epoch() {
		return nil
	}
	since := map[string]bool{}
	from := after.Position
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
			break
		}
	}
	// Asked last, so that no deletion in between goes unnoticed.
	if trimmed, err := s.log.Trimmed(ctx); err != nil || from < trimmed {
		return nil
	}
	return since
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
			if !r.again(ctx, out) {
				return
			}
		}
		for _, e := range t.Events {
			if !r.changed(ctx, e, out) {
				return
			}
		}
	}
}

// again reads everything anew after the watch lost count.
func (r *translationReader) again(ctx context.Context, out chan<- *TranslationUpdate) bool {
	r.since = nil
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	r.cursor.Position = max(r.cursor.Position, head)
	if _, err := persist(ctx, func() (*gen.Note, error) { return r.Streams.note.Load(ctx, r.note.ID) }); err != nil {
		return false // its deletion was among what was lost
	}
	return r.present(ctx, out)
}

// changed hands on the translation of an event and tells whether the stream
// goes on.
func (r *translationReader) changed(ctx context.Context, e jobspec.Event, out chan<- *TranslationUpdate) bool {
	if e.Type == event.TypeNoteChanged && e.State == "DELETED" {
		return false
	}
	if e.Type != event.TypeTranslationChanged {
		return true
	}
	t, err := persist(ctx, func() (*gen.Translation, error) { return r.translationLoader.Get(ctx, e.Object, e.Version) })
	if apperr.Is(err, apperr.NotFound) {
		return true // deleted with its note, whose event follows
	}
	if err != nil || !r.viewer.Sees(t.OwnerID) {
		return false
	}
	r.cursor.Position = max(r.cursor.Position, e.Position)
	return r.emit(ctx, t, out)
}

// present hands on the note's translations as they are now: the newest of each
// language, or after a cursor all that changed since.
func (r *translationReader) present(ctx context.Context, out chan<- *TranslationUpdate) bool {
	byNote, err := persist(ctx, func() (map[string][]*gen.Translation, error) {
		return r.Streams.note.Translations(ctx, []string{r.note.ID}, true)
	})
	if err != nil {
		return false
	}
	language := ""
	for _, t := range byNote[r.note.ID] {
		newest := t.Language != language
		language = t.Language
		wanted := newest || r.versions[t.ID] > 0
		if r.since != nil {
			wanted = r.since[t.ID]
		}
		if wanted && !r.emit(ctx, t, out) {
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
