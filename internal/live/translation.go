package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/resume"
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
	n, err := reach(ctx, func() (*gen.Note, error) { return s.note.Get(ctx, noteID) })
	if err != nil {
		return nil, err
	}
	p := &pump{}
	w := s.hub.Watch(Interest{Audiences: []string{event.User(n.OwnerID)}, Keys: []string{noteID}, Policy: policyOf(ctx), Wake: p.wake})
	r, err := s.newTranslationReader(ctx, viewer, n, after)
	if err != nil {
		w.Close()
		return nil, err
	}
	out := make(chan *TranslationUpdate)
	r.send = func(u *TranslationUpdate) bool { r.place.Mark(u.Cursor); return send(ctx, out, u) }
	begun := false
	p.step = func() bool {
		if !begun {
			begun = true
			if !r.begin(ctx) {
				return false
			}
		}
		return ctx.Err() == nil && r.follow(ctx, w.Take())
	}
	p.end = func() { w.Close(); close(out); r.place.Close() }
	r.place.Announce()
	p.start(ctx)
	return out, nil
}

// choice tells which of a note's translations to hand on.
type choice func(t *gen.Translation, newest bool) bool

func newest(_ *gen.Translation, newest bool) bool { return newest }

type translationReader struct {
	*Streams
	viewer auth.Viewer
	note   *gen.Note
	place  *resume.Reader
	send   func(*TranslationUpdate) bool
	// head is where the log was when the stream began, resumed whether it goes on
	// from a place.
	head    int64
	resumed bool
	// cursor is the place up to which the subscriber has everything.
	cursor event.Cursor
	// versions are those that the subscriber was given, by translation.
	versions map[string]int64
}

func (s *Streams) newTranslationReader(ctx context.Context, viewer auth.Viewer, n *gen.Note, after *event.Cursor) (*translationReader, error) {
	head, err := reach(ctx, func() (int64, error) { return s.log.Head(ctx) })
	if err != nil {
		return nil, err
	}
	after, err = reach(ctx, func() (*event.Cursor, error) {
		return s.book.Begin(ctx, viewer, resume.Ask{After: after, Head: s.log.Cursor(head)})
	})
	if err != nil {
		return nil, err
	}
	// The note may have been deleted since it was found and before it was watched.
	if n, err = reach(ctx, func() (*gen.Note, error) { return s.note.Load(ctx, n.ID) }); err != nil {
		return nil, err
	}
	r := &translationReader{
		Streams: s, viewer: viewer, note: n, place: resume.From(ctx), head: head, cursor: s.log.Cursor(0),
		resumed: after != nil, versions: map[string]int64{},
	}
	// A place that this log does not have is as good as its beginning.
	if after == nil {
		return r, nil
	}
	foreign, err := s.foreign(ctx, *after, head)
	if !foreign {
		r.cursor = *after
	}
	return r, err
}

// begin hands on what there is already.
func (r *translationReader) begin(ctx context.Context) bool {
	wanted := newest
	if r.resumed {
		wanted = r.since(ctx)
	}
	return r.present(ctx, r.head, wanted)
}

// since chooses the translations that changed after the cursor, all of them
// when the log no longer tells.
func (r *translationReader) since(ctx context.Context) choice {
	all := func(*gen.Translation, bool) bool { return true }
	changed := map[string]bool{}
	owner := []string{event.User(r.note.OwnerID)}
	for at := r.cursor.Position; ; {
		events, err := r.log.Read(ctx, event.Filter{Audiences: owner, After: at, Limit: replayPage})
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

// follow goes on with what the watch brought.
func (r *translationReader) follow(ctx context.Context, t Taken) bool {
	if t.Overflow && !r.again(ctx) {
		return false
	}
	for _, e := range t.Events {
		if !r.changed(ctx, e) {
			return false
		}
	}
	return true
}

// again reads what changed while the watch lost count.
func (r *translationReader) again(ctx context.Context) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	if _, err := persist(ctx, func() (*gen.Note, error) { return r.Streams.note.Load(ctx, r.note.ID) }); err != nil {
		return false // its deletion was among what was lost
	}
	return r.present(ctx, head, r.since(ctx))
}

// changed hands on the translation of an event and tells whether the stream
// goes on.
func (r *translationReader) changed(ctx context.Context, e event.Event) bool {
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
	return r.emit(t)
}

// present hands on the chosen translations as they are now, at the head or
// later. Only the last one carries the head's cursor: whoever resumes from one
// before it must get the rest.
func (r *translationReader) present(ctx context.Context, head int64, wanted choice) bool {
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
		if !r.emit(t) {
			return false
		}
	}
	r.cursor.Position = max(r.cursor.Position, head)
	return true
}

func (r *translationReader) emit(t *gen.Translation) bool {
	if t.Version <= r.versions[t.ID] {
		return true
	}
	r.versions[t.ID] = t.Version
	return r.send(&TranslationUpdate{Cursor: r.cursor, Translation: t})
}
