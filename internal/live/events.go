package live

import (
	"context"
	"slices"
	"strings"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/resume"
	"parley/internal/store"
)

// Event is one message of the subscription events.
type Event struct {
	event.Message
	// Reset says that history is gone: "EXPIRED" or "EPOCH".
	Reset string
	// Expires warns that the connection will be closed then.
	Expires time.Time
	// Shown is the member of the schema's interface Event, nil for the two above.
	Shown any
}

// EventsAsk says which events a stream is about and where it begins.
type EventsAsk struct {
	// After is a position, nil for none.
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
	return stream(ctx, s, Interest{Audiences: r.audiences, Keys: r.audiences}, func(o opening[T]) (follower, error) {
		r.position = o.head
		r.send = func(e *Event) bool { return o.send(e.Cursor, show(e)) }
		var err error
		r.after, err = reach(ctx, func() (*event.Cursor, error) {
			return r.book.Begin(ctx, r.viewer, resume.Ask{After: ask.After, Key: ask.ResumeKey, Head: s.log.Cursor(o.head), FromHead: true})
		})
		return r, err
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
	// after is where the stream begins, nil for the present.
	after *event.Cursor
	// position is the position up to which the subscriber has everything.
	position int64
}

func (s *Streams) newEventReader(ctx context.Context, topics []string) (*eventReader, error) {
	viewer, err := auth.RequireAny(ctx)
	if err != nil {
		return nil, err
	}
	if viewer.Key != "" {
		if topics, err = s.keyTopics(viewer, topics); err != nil {
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
func (s *Streams) keyTopics(v auth.Viewer, asked []string) ([]string, error) {
	heard, scoped := s.domains.Topics(v.Scopes)
	if len(heard) == 0 {
		names := make([]string, len(scoped))
		for i, scope := range scoped {
			names[i] = string(scope)
		}
		return nil, apperr.New(apperr.Forbidden, "This API key hears no events: it has neither the scope %s.", strings.Join(names, " nor "))
	}
	for _, topic := range asked {
		if !slices.Contains(heard, topic) {
			return nil, apperr.New(apperr.Forbidden, "An API key may listen to the topic %s only.", strings.Join(heard, " and "))
		}
	}
	if len(asked) == 0 {
		return heard, nil
	}
	return asked, nil
}

// wants tells whether the stream is about events of a type. What is said to
// connections is not for their clients, and what a newer process may write is
// for its own.
func (r *eventReader) wants(t event.Type) bool {
	return t.Show != nil && (len(r.topics) == 0 || slices.Contains(r.topics, t.Topic))
}

// foreign tells that a position is not of this log.
func (s *Streams) foreign(ctx context.Context, at event.Cursor, head int64) (bool, error) {
	if at.Epoch != s.log.Epoch() {
		return true, nil
	}
	head, err := persist(ctx, func() (int64, error) { return s.log.Reach(ctx, head, at.Position) })
	return at.Position > head, err
}

// start takes up the stream behind the position where it begins.
func (r *eventReader) start(ctx context.Context) bool {
	if r.after == nil {
		return true
	}
	switch foreign, err := r.foreign(ctx, *r.after, r.position); {
	case err != nil:
		return false
	case foreign:
		return r.reset(ctx, "EPOCH")
	}
	r.position = r.after.Position
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
	return r.send(&Event{Message: r.now(), Reset: reason})
}

// follow goes on with what a watch brought; one that overflowed sends it back
// to the table.
func (r *eventReader) follow(ctx context.Context, t Taken) bool {
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
	return r.send(&Event{Message: r.now(), Expires: t.Expires})
}

// now is what a message that is no event of the log says of its place and time.
func (r *eventReader) now() event.Message {
	return event.Message{Event: event.Event{At: store.Now()}, Cursor: r.log.Cursor(r.position)}
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
	t, _ := r.domains.Type(e.Type)
	if !r.wants(t) {
		return false, true
	}
	m := event.Message{Event: e, Cursor: r.log.Cursor(e.Position)}
	if t.Object != event.Nothing {
		var err error
		if m.Loaded, err = persist(ctx, func() (any, error) { return r.load(ctx, r.viewer, e) }); err != nil {
			return false, false
		}
	}
	ok = r.send(&Event{Message: m, Shown: t.Show(m)})
	return ok, ok
}
