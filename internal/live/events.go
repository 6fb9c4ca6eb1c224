package live

import (
	"context"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/resume"
	"parley/internal/store"
)

// Event is one message of the subscription events.
type Event struct {
	event.Event
	Cursor      event.Cursor
	Job         *gen.Job
	Note        *gen.Note
	Translation *gen.Translation
	// Reset says that history is gone: "EXPIRED" or "EPOCH".
	Reset string
	// Expires warns that the connection will be closed then.
	Expires time.Time
}

// EventsAsk says which events a stream is about and where it begins.
type EventsAsk struct {
	// After is a place, nil for none.
	After *event.Cursor
	// Topics are those of the events; none means all that the viewer may hear.
	Topics []string
	// ResumeKey names the reader, nil for none.
	ResumeKey *string
}

// Events streams the viewer's events, each as show gives it. Where it begins
// resume.Book tells. A key is FORBIDDEN what its scopes are not about.
func Events[T any](ctx context.Context, s *Streams, ask EventsAsk, show func(*Event) T) (<-chan T, error) {
	r, err := s.newEventReader(ctx, ask.Topics)
	if err != nil {
		return nil, err
	}
	p := &pump{}
	w := s.hub.Watch(Interest{Audiences: r.audiences, Keys: r.audiences, Policy: policyOf(ctx), Wake: p.wake})
	after, err := r.find(ctx, ask)
	if err != nil {
		w.Close()
		return nil, err
	}
	out := make(chan T)
	place := resume.From(ctx)
	r.send = func(e *Event) bool {
		place.Mark(e.Cursor)
		return send(ctx, out, show(e))
	}
	detach := attach(ctx, w)
	begun := false
	p.step = func() bool {
		if !begun {
			begun = true
			if !r.begin(ctx, after) {
				return false
			}
		}
		return r.follow(ctx, w.Take())
	}
	p.end = func() { detach(); w.Close(); close(out); place.Close() }
	place.Announce()
	p.start(ctx)
	return out, nil
}

// find looks where the stream begins, nil for the present.
func (r *eventReader) find(ctx context.Context, ask EventsAsk) (after *event.Cursor, err error) {
	if r.position, err = reach(ctx, func() (int64, error) { return r.log.Head(ctx) }); err != nil {
		return nil, err
	}
	head := r.log.Cursor(r.position)
	return reach(ctx, func() (*event.Cursor, error) {
		return r.book.Begin(ctx, r.viewer, resume.Ask{After: ask.After, Key: ask.ResumeKey, Head: head, FromHead: true})
	})
}

// eventReader reads the events of one viewer in the order of the log.
type eventReader struct {
	*Streams
	viewer    auth.Viewer
	audiences []string
	topics    []string
	// send hands an event to the subscriber and tells whether the stream goes on.
	send func(*Event) bool
	// position is the place up to which the subscriber has everything.
	position int64
}

func (s *Streams) newEventReader(ctx context.Context, topics []string) (*eventReader, error) {
	viewer, err := auth.RequireAny(ctx)
	if err != nil {
		return nil, err
	}
	if viewer.Key != "" {
		if topics, err = keyTopics(viewer, topics); err != nil {
			return nil, err
		}
	}
	return &eventReader{Streams: s, viewer: viewer, audiences: audiencesOf(viewer), topics: topics}, nil
}

// audiencesOf gives the audiences that the viewer belongs to. Admins read what
// analysts do; a key hears what its owner's account is told, and no role.
func audiencesOf(v auth.Viewer) []string {
	audiences := []string{event.User(v.ID)}
	switch {
	case v.Key != "":
		return audiences
	case v.Admin():
		audiences = append(audiences, event.Role(string(auth.RoleAnalyst)))
	}
	return append(audiences, event.Role(string(v.Role)))
}

// keyTopics gives the topics that a key listens to, of those it asks for: its
// owner's events are about more than the key may know.
func keyTopics(v auth.Viewer, asked []string) ([]string, error) {
	if !v.Scopes.Has(auth.ScopeDialogsPush, auth.ScopeDialogsConsent) {
		return nil, apperr.New(apperr.Forbidden, "This API key hears no events: it has neither the scope %s nor %s.",
			auth.ScopeDialogsPush, auth.ScopeDialogsConsent)
	}
	for _, topic := range asked {
		if topic != event.TopicDialogs {
			return nil, apperr.New(apperr.Forbidden, "An API key may listen to the topic %s only.", event.TopicDialogs)
		}
	}
	return []string{event.TopicDialogs}, nil
}

// wants tells whether the stream is about the event. What is said to
// connections is not for their clients, and what a newer process may write is
// for its own.
func (r *eventReader) wants(e event.Event) bool {
	switch e.Type {
	case event.TypeJobChanged, event.TypeNoteChanged, event.TypeTranslationChanged, event.TypeConsentChanged:
		return e.Topic != event.TopicSession && (len(r.topics) == 0 || slices.Contains(r.topics, e.Topic))
	}
	return false
}

// foreign tells that a place is not of this log.
func (s *Streams) foreign(ctx context.Context, at event.Cursor, head int64) (bool, error) {
	if at.Epoch != s.log.Epoch() {
		return true, nil
	}
	head, err := persist(ctx, func() (int64, error) { return s.log.Reach(ctx, head, at.Position) })
	return at.Position > head, err
}

// begin takes up the stream behind a place.
func (r *eventReader) begin(ctx context.Context, after *event.Cursor) bool {
	if after == nil {
		return true
	}
	switch foreign, err := r.foreign(ctx, *after, r.position); {
	case err != nil:
		return false
	case foreign:
		return r.reset(ctx, "EPOCH")
	}
	r.position = after.Position
	n, ok := r.replay(ctx)
	r.observe.Replayed(n)
	return ok
}

// reset says that history is gone and goes on from the present.
func (r *eventReader) reset(ctx context.Context, reason string) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	r.position = head
	r.observe.Reset(reason)
	return r.send(&Event{Cursor: r.log.Cursor(head), Event: event.Event{At: store.Now()}, Reset: reason})
}

// follow goes on with what a watch brought; one that overflowed sends it back
// to the table.
func (r *eventReader) follow(ctx context.Context, t Taken) bool {
	if ctx.Err() != nil {
		return false
	}
	if t.Overflow {
		r.position = max(r.position, t.Whole)
		if _, ok := r.replay(ctx); !ok {
			return false
		}
		if r.position < t.Dropped {
			r.hub.counts.Dropped.Add(1)
		}
	}
	for _, e := range t.Events {
		sent, ok := r.emit(ctx, e)
		if !ok {
			return false
		}
		if sent {
			r.observe.Pushed(time.Since(e.At))
		}
	}
	if t.Expires.IsZero() {
		return true
	}
	return r.send(&Event{Cursor: r.log.Cursor(r.position), Event: event.Event{At: store.Now()}, Expires: t.Expires})
}

// replay hands on everything between the position and the head of the log, and
// gives the number of events.
func (r *eventReader) replay(ctx context.Context) (sent int, ok bool) {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return 0, false
	}
	for {
		events, trimmed, err := r.page(ctx)
		if err != nil {
			return sent, false
		}
		if r.position < trimmed {
			return sent, r.reset(ctx, "EXPIRED")
		}
		for _, e := range events {
			given, ok := r.emit(ctx, e)
			if !ok {
				return sent, false
			}
			if given {
				sent++
			}
		}
		if len(events) < replayPage {
			r.position = max(r.position, head)
			return sent, true
		}
	}
}

const replayPage = 200

// page reads the next events, and then what is deleted by now: so no deletion
// goes unnoticed that comes in between.
func (r *eventReader) page(ctx context.Context) (events []event.Event, trimmed int64, err error) {
	events, err = persist(ctx, func() ([]event.Event, error) {
		return r.log.Read(ctx, event.Filter{Audiences: r.audiences, After: r.position, Limit: replayPage})
	})
	if err != nil {
		return nil, 0, err
	}
	trimmed, err = persist(ctx, func() (int64, error) { return r.log.Trimmed(ctx) })
	return events, trimmed, err
}

// emit hands on an event if the subscriber does not have it and wants it, and
// tells whether the stream goes on.
func (r *eventReader) emit(ctx context.Context, e event.Event) (sent, ok bool) {
	if e.Position <= r.position {
		return false, true
	}
	r.position = e.Position
	if !r.wants(e) {
		return false, true
	}
	v := &Event{Event: e, Cursor: r.log.Cursor(e.Position)}
	if _, err := persist(ctx, func() (*Event, error) { return v, r.load(ctx, v) }); err != nil {
		return false, false
	}
	ok = r.send(v)
	return ok, ok
}

// load fills in the event's object as far as it still exists and the viewer
// may see it.
func (r *eventReader) load(ctx context.Context, v *Event) error {
	var err error
	switch v.Type {
	case event.TypeJobChanged:
		v.Job, err = visible(r.viewer, ownerOfJob)(r.jobLoader.Get(ctx, v.Object, v.Version))
	case event.TypeNoteChanged:
		v.Note, err = visible(r.viewer, ownerOfNote)(r.noteLoader.Get(ctx, v.Object, v.Version))
	case event.TypeTranslationChanged:
		v.Translation, err = visible(r.viewer, ownerOfTranslation)(r.translationLoader.Get(ctx, v.Object, v.Version))
	}
	return err
}

func ownerOfJob(j *gen.Job) string                 { return j.OwnerID }
func ownerOfNote(n *gen.Note) string               { return n.OwnerID }
func ownerOfTranslation(t *gen.Translation) string { return t.OwnerID }

// visible turns what is gone, and what the viewer may not see, into nothing.
func visible[T any](viewer auth.Viewer, owner func(*T) string) func(*T, error) (*T, error) {
	return func(v *T, err error) (*T, error) {
		if apperr.Is(err, apperr.NotFound) || err == nil && !viewer.Sees(owner(v)) {
			return nil, nil //nolint:nilnil // nothing to show is an answer here
		}
		return v, err
	}
}
