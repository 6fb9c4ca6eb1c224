package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Event is one message of the subscription events.
type Event struct {
	jobspec.Event
	Cursor      event.Cursor
	Job         *gen.Job
	Note        *gen.Note
	Translation *gen.Translation
	// Reset says that history is gone: "EXPIRED" or "EPOCH".
	Reset string
}

// Events streams the viewer's events after the cursor, or from now on, each as
// show gives it. No topics mean all that the viewer may hear. A key is
// FORBIDDEN what its scopes are not about.
func Events[T any](ctx context.Context, s *Streams, after *event.Cursor, topics []string, show func(*Event) T) (<-chan T, error) {
	viewer, err := auth.RequireAny(ctx)
	if err != nil {
		return nil, err
	}
	audiences := audiencesOf(viewer)
	if viewer.Key != "" {
		if topics, err = keyTopics(viewer, topics); err != nil {
			return nil, err
		}
	}
	w := s.hub.Watch(audiences...)
	head, err := s.log.Head(ctx)
	if err != nil {
		w.Close()
		return nil, err
	}
	r := &eventReader{Streams: s, viewer: viewer, audiences: audiences, topics: map[string]bool{}, position: head, whole: head, seen: map[int]int64{}}
	for _, topic := range topics {
		r.topics[topic] = true
	}
	out := make(chan T)
	r.send = func(e *Event) bool { return send(ctx, out, show(e)) }
	go func() {
		defer close(out)
		defer w.Close()
		if r.begin(ctx, after) {
			r.follow(ctx, w)
		}
	}()
	return out, nil
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

type eventReader struct {
	*Streams
	viewer    auth.Viewer
	audiences []string
	topics    map[string]bool
	// send hands an event to the subscriber and tells whether the stream goes on.
	send func(*Event) bool
	// position is the highest place that the viewer has. What lies behind it may
	// still come late, when the hub missed something of one shard: seen are the
	// highest places by shard, and up to whole there is nothing late.
	position, whole int64
	seen            map[int]int64
}

// begin takes up the stream behind the cursor.
func (r *eventReader) begin(ctx context.Context, after *event.Cursor) bool {
	switch {
	case after == nil:
		return true
	case after.Epoch != r.log.Epoch(), after.Position > r.position:
		return r.reset(ctx, "EPOCH")
	}
	r.position, r.whole = after.Position, after.Position
	return r.replay(ctx)
}

// reset says that history is gone and goes on from the present.
func (r *eventReader) reset(ctx context.Context, reason string) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	r.position, r.whole = head, head
	return r.send(&Event{Cursor: r.log.Cursor(head), Event: jobspec.Event{At: store.Now()}, Reset: reason})
}

// follow goes on with what the watch brings; one that overflowed sends it back
// to the table.
func (r *eventReader) follow(ctx context.Context, w *Watch) {
	for wait(ctx, w) {
		t := w.Take()
		if t.Overflow {
			if !r.replay(ctx) {
				return
			}
			continue
		}
		for _, e := range t.Events {
			if !r.emit(ctx, e) {
				return
			}
		}
	}
}

// replay hands on everything between the position and the head of the log.
func (r *eventReader) replay(ctx context.Context) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	for {
		events, trimmed, err := r.page(ctx)
		if err != nil {
			return false
		}
		if r.position < trimmed {
			return r.reset(ctx, "EXPIRED")
		}
		for _, e := range events {
			if !r.emit(ctx, e) {
				return false
			}
		}
		if len(events) < replayPage {
			r.position = max(r.position, head)
			r.whole = r.position
			return true
		}
	}
}

const replayPage = 200

// page reads the next events, and then what is deleted by now: so no deletion
// goes unnoticed that comes in between.
func (r *eventReader) page(ctx context.Context) (events []jobspec.Event, trimmed int64, err error) {
	events, err = persist(ctx, func() ([]jobspec.Event, error) {
		return r.log.Read(ctx, event.Filter{Audiences: r.audiences, Shard: -1, After: r.position, Limit: replayPage})
	})
	if err != nil {
		return nil, 0, err
	}
	trimmed, err = persist(ctx, func() (int64, error) { return r.log.Trimmed(ctx) })
	return events, trimmed, err
}

func (r *eventReader) emit(ctx context.Context, e jobspec.Event) bool {
	shard := jobspec.EventShard(e.Audience)
	if e.Position <= max(r.whole, r.seen[shard]) {
		return true
	}
	r.seen[shard], r.position = e.Position, max(r.position, e.Position)
	if len(r.topics) > 0 && !r.topics[e.Topic] {
		return true
	}
	v := &Event{Event: e, Cursor: r.log.Cursor(e.Position)}
	if _, err := persist(ctx, func() (*Event, error) { return v, r.load(ctx, v) }); err != nil {
		return false
	}
	return r.send(v)
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
