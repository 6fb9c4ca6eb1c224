package live

import (
	"context"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
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

// Events streams the viewer's events after the cursor, or from now on.
func (s *Streams) Events(ctx context.Context, after *event.Cursor, topics []string) (<-chan *Event, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	audiences := []string{event.User(viewer.ID), event.Role(string(viewer.Role))}
	w := s.hub.Watch(audiences...)
	head, err := s.log.Head(ctx)
	if err != nil {
		w.Close()
		return nil, err
	}
	trimmed, err := s.log.Trimmed(ctx)
	if err != nil {
		w.Close()
		return nil, err
	}
	r := &eventReader{Streams: s, viewer: viewer, audiences: audiences, topics: map[string]bool{}, position: head}
	for _, topic := range topics {
		r.topics[topic] = true
	}
	reset := ""
	switch {
	case after == nil:
	case after.Epoch != s.log.Epoch(), after.Position > head:
		reset = "EPOCH"
	case after.Position < trimmed:
		reset = "EXPIRED"
	default:
		r.position = after.Position
	}
	out := make(chan *Event)
	go func() {
		defer close(out)
		defer w.Close()
		if reset != "" && !send(ctx, out, &Event{Cursor: s.log.Cursor(head), Event: jobspec.Event{At: time.Now().UTC()}, Reset: reset}) {
			return
		}
		r.run(ctx, w, out)
	}()
	return out, nil
}

type eventReader struct {
	*Streams
	viewer    auth.Viewer
	audiences []string
	topics    map[string]bool
	position  int64
}

// run replays from the table, then goes on with what the watch brings; a
// watch that overflowed sends it back to the table.
func (r *eventReader) run(ctx context.Context, w *Watch, out chan<- *Event) {
	if !r.replay(ctx, out) {
		return
	}
	for wait(ctx, w) {
		t := w.Take()
		if t.Overflow {
			if !r.replay(ctx, out) {
				return
			}
			continue
		}
		for _, e := range t.Events {
			if !r.emit(ctx, e, out) {
				return
			}
		}
	}
}

func (r *eventReader) replay(ctx context.Context, out chan<- *Event) bool {
	const page = 200
	for {
		events, err := r.log.Read(ctx, event.Filter{Audiences: r.audiences, Shard: -1, After: r.position, Limit: page})
		if err != nil {
			return false
		}
		for _, e := range events {
			if !r.emit(ctx, e, out) {
				return false
			}
		}
		if len(events) < page {
			return true
		}
	}
}

func (r *eventReader) emit(ctx context.Context, e jobspec.Event, out chan<- *Event) bool {
	if e.Position <= r.position {
		return true
	}
	r.position = e.Position
	if len(r.topics) > 0 && !r.topics[e.Topic] {
		return true
	}
	v := &Event{Event: e, Cursor: r.log.Cursor(e.Position)}
	if err := r.load(ctx, v); err != nil {
		return false
	}
	return send(ctx, out, v)
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
