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
	out := make(chan *TranslationUpdate)
	go func() {
		defer close(out)
		defer w.Close()
		r := &translationReader{Streams: s, viewer: viewer, note: n, cursor: s.log.Cursor(0), versions: map[string]int64{}}
		wanted := newest
		if after != nil {
			// A place that this log does not have is as good as its beginning.
			if after.Epoch == s.log.Epoch() && after.Position <= head {
				r.cursor = *after
			}
			wanted = r.since(ctx)
		}
		if r.present(ctx, head, wanted, out) {
			r.follow(ctx, w, out)
		}
	}()
	return out, nil
}

// choice tells which of a note's translations to hand on.
type choice func(t *gen.Translation, newest bool) bool

func newest(_ *gen.Translation, newest bool) bool { return newest }

type translationReader struct {
	*Streams
	viewer auth.Viewer
	note   *gen.Note
	// cursor is the place up to which the subscriber has everything.
	cursor event.Cursor
	// versions are those that the subscriber was given, by translation.
	versions map[string]int64
}

// since chooses the translations that changed after the cursor, all of them
// when the log no longer tells.
func (r *translationReader) since(ctx context.Context) choice {
	all := func(*gen.Translation, bool) bool { return true }
	changed := map[string]bool{}
	owner := []string{event.User(r.note.OwnerID)}
	for at := r.cursor.Position; ; {
		events, err := r.log.Read(ctx, event.Filter{Audiences: owner, Shard: -1, After: at, Limit: replayPage})
		if err != nil {
			return all
		}
		for _, e := range events {
			if e.Type == event.TypeTranslationChanged && e.Parent == r.note.ID {
				changed[e.Object] = true
			}
			at = e.Position
		}
		if len(events) < replayPage {
			break
		}
	}
	// Asked last, so that no deletion in between goes unnoticed.
	if trimmed, err := r.log.Trimmed(ctx); err != nil || r.cursor.Position < trimmed {
		return all
	}
	return func(t *gen.Translation, _ bool) bool { return changed[t.ID] }
}

func (r *translationReader) follow(ctx context.Context, w *Watch, out chan<- *TranslationUpdate) {
	for wait(ctx, w) {
		t := w.Take()
		if t.Overflow && !r.again(ctx, out) {
			return
		}
		for _, e := range t.Events {
			if !r.changed(ctx, e, out) {
				return
			}
		}
	}
}

// again reads what changed while the watch lost count.
func (r *translationReader) again(ctx context.Context, out chan<- *TranslationUpdate) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	if _, err := persist(ctx, func() (*gen.Note, error) { return r.Streams.note.Load(ctx, r.note.ID) }); err != nil {
		return false // its deletion was among what was lost
	}
	return r.present(ctx, head, r.since(ctx), out)
}

// changed hands on the translation of an event and tells whether the stream
// goes on.
func (r *translationReader) changed(ctx context.Context, e jobspec.Event, out chan<- *TranslationUpdate) bool {
	if e.Type == event.TypeNoteChanged && e.State == "DELETED" {
		return false
	}
	if e.Type != event.TypeTranslationChanged || e.Position <= r.cursor.Position {
		return true
	}
	t, err := persist(ctx, func() (*gen.Translation, error) { return r.translationLoader.Get(ctx, e.Object, e.Version) })
	if apperr.Is(err, apperr.NotFound) {
		return true // deleted with its note, whose event follows
	}
	if err != nil || !r.viewer.Sees(t.OwnerID) {
		return false
	}
	r.cursor.Position = e.Position
	return r.emit(ctx, t, out)
}

// present hands on the chosen translations as they are now, at the head or
// later. Only the last one carries the head's cursor: whoever resumes from one
// before it must get the rest.
func (r *translationReader) present(ctx context.Context, head int64, wanted choice, out chan<- *TranslationUpdate) bool {
	byNote, err := persist(ctx, func() (map[string][]*gen.Translation, error) {
		return r.Streams.note.Translations(ctx, []string{r.note.ID}, true)
	})
	if err != nil {
		return false
	}
	var chosen []*gen.Translation
	language := ""
	for _, t := range byNote[r.note.ID] {
		if t.Version > r.versions[t.ID] && wanted(t, t.Language != language) {
			chosen = append(chosen, t)
		}
		language = t.Language
	}
	for i, t := range chosen {
		if i == len(chosen)-1 {
			r.cursor.Position = max(r.cursor.Position, head)
		}
		if !r.emit(ctx, t, out) {
			return false
		}
	}
	r.cursor.Position = max(r.cursor.Position, head)
	return true
}

func (r *translationReader) emit(ctx context.Context, t *gen.Translation, out chan<- *TranslationUpdate) bool {
	if t.Version <= r.versions[t.ID] {
		return true
	}
	r.versions[t.ID] = t.Version
	return send(ctx, out, &TranslationUpdate{Cursor: r.cursor, Translation: t})
}
