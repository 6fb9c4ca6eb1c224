package live

import (
	"context"
	"maps"
	"slices"
	"time"

	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/resume"
)

// Gathered is one message of a stream of what several sources publish.
type Gathered[T any] struct {
	Cursor event.Cursor
	// Object is nil when Reset says that history is gone: "EXPIRED" or "EPOCH".
	Object *T
	Reset  string
}

// Gather streams what the viewer's sources publish, each message as show gives it. Where it
// begins resume.Book tells. A source that is added or taken away is so from the place of that
// event in the log on, also when the stream resumes before it: every reader of the same places
// is given the same.
func Gather[T, M any](ctx context.Context, s *Streams, of domain.Gathering[T], after *event.Cursor, resumeKey *string, show func(Gathered[T]) M) (<-chan M, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	r := &gatherReader[T]{Streams: s, Gathering: of, own: event.User(viewer.ID), sources: map[string]bool{}}
	// Changes of the sources are heard before the sources are read, and these before what
	// they published.
	i := Interest{Audiences: []string{r.own}, Keys: []string{r.own}}
	return stream(ctx, s, i, func(o opening[M]) (follower, error) {
		r.watch, r.position = o.watch, o.head
		r.send = func(g Gathered[T]) bool { return o.send(g.Cursor, show(g)) }
		if err := r.listen(ctx); err != nil {
			return nil, err
		}
		r.after, err = reach(ctx, func() (*event.Cursor, error) {
			return r.book.Begin(ctx, viewer, resume.Ask{After: after, Key: resumeKey, Head: s.log.Cursor(o.head), FromHead: true})
		})
		return r, err
	})
}

// gatherReader reads what the sources of one viewer publish, in the order of the log.
type gatherReader[T any] struct {
	*Streams
	domain.Gathering[T]
	watch *Watch
	// own is the viewer's audience, in which changes of the sources are heard, and sources
	// those at position, to which the watch listens.
	own     string
	sources map[string]bool
	send    func(Gathered[T]) bool
	// after is where the stream begins, nil for the present.
	after *event.Cursor
	// position is the position up to which the subscriber has everything.
	position int64
}

// listen makes the present sources, and no others, those of the stream.
func (r *gatherReader[T]) listen(ctx context.Context) error {
	all, err := reach(ctx, func() ([]string, error) { return r.Sources(ctx) })
	if err != nil {
		return err
	}
	gone := maps.Clone(r.sources)
	var fresh []string
	for _, source := range all {
		delete(gone, source)
		if !r.sources[source] {
			r.sources[source], fresh = true, append(fresh, source)
		}
	}
	r.watch.Join(fresh...)
	for source := range gone {
		r.turn(source, false)
	}
	return nil
}

// turn adds a source or takes one away and tells whether it added one.
func (r *gatherReader[T]) turn(source string, added bool) bool {
	switch {
	case added == r.sources[source]:
		return false
	case added:
		r.sources[source] = true
		r.watch.Join(source)
	default:
		delete(r.sources, source)
		r.watch.Leave(source)
	}
	return added
}

func (r *gatherReader[T]) start(ctx context.Context) bool {
	if r.after != nil {
		switch foreign, err := r.foreign(ctx, *r.after, r.position); {
		case err != nil:
			return false
		case foreign:
			if !r.reset(ctx, "EPOCH") {
				return false
			}
		default:
			r.position = r.after.Position
		}
	}
	if !r.rewind(ctx) {
		return false
	}
	n, ok := r.replay(ctx)
	if r.after != nil {
		r.observe.Replayed(n)
	}
	return ok
}

// rewind makes the sources those of the position: it takes back what changed since.
func (r *gatherReader[T]) rewind(ctx context.Context) bool {
	touched := map[string]bool{}
	for at := r.position; ; {
		events, err := r.read(ctx, []string{r.own}, at)
		if err != nil {
			return false
		}
		for _, e := range events {
			at = e.Position
			if source, added, ok := r.Turn(e); ok && !touched[source] {
				touched[source] = true
				r.turn(source, !added)
			}
		}
		if len(events) < replayPage {
			return true
		}
	}
}

func (r *gatherReader[T]) read(ctx context.Context, audiences []string, after int64) ([]event.Event, error) {
	return persist(ctx, func() ([]event.Event, error) {
		return r.log.Read(ctx, event.Filter{Audiences: audiences, After: after, Limit: replayPage})
	})
}

// replay hands on everything between the position and the head of the log, and gives the
// number of messages. After a source was added it reads anew from there: the watch listens to
// it by then, so that nothing falls in between.
func (r *gatherReader[T]) replay(ctx context.Context) (sent int, ok bool) {
	for {
		head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
		if err != nil {
			return sent, false
		}
		events, err := r.read(ctx, append(slices.Collect(maps.Keys(r.sources)), r.own), r.position)
		if err != nil {
			return sent, false
		}
		// Asked last, so that no deletion in between goes unnoticed.
		trimmed, err := persist(ctx, func() (int64, error) { return r.log.Trimmed(ctx) })
		if err != nil {
			return sent, false
		}
		if r.position < trimmed {
			if !r.reset(ctx, "EXPIRED") {
				return sent, false
			}
			continue
		}
		n, again, ok := r.hand(ctx, events)
		sent += n
		if !ok {
			return sent, false
		}
		if !again && len(events) < replayPage {
			r.position = max(r.position, head)
			return sent, true
		}
	}
}

// reset says that history is gone and goes on from the present.
func (r *gatherReader[T]) reset(ctx context.Context, reason string) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	r.position = head
	if err := r.listen(ctx); err != nil {
		return false
	}
	r.observe.Reset(reason)
	return r.send(Gathered[T]{Cursor: r.log.Cursor(head), Reset: reason})
}

// follow goes on with what a watch brought.
func (r *gatherReader[T]) follow(ctx context.Context, t Taken) bool {
	if t.Overflow {
		if _, ok := r.replay(ctx); !ok {
			return false
		}
	}
	for events := t.Events; ; {
		for len(events) > 0 && events[0].Position <= r.position {
			events = events[1:]
		}
		n, again, ok := r.hand(ctx, events)
		if !ok {
			return false
		}
		if n > 0 {
			r.observe.Pushed(time.Since(events[0].At))
		}
		if !again {
			return true
		}
		if _, ok := r.replay(ctx); !ok {
			return false
		}
	}
}

// hand gives the subscriber what events are about. At one that adds a source it stops and
// tells so: what that published since is not among them.
func (r *gatherReader[T]) hand(ctx context.Context, events []event.Event) (sent int, again, ok bool) {
	var some []event.Event
	for _, e := range events {
		if source, added, turns := r.Turn(e); turns && e.Audience == r.own {
			if again = r.turn(source, added); again {
				some = append(some, e)
				break
			}
		}
		if e.Type == r.Type && !r.sources[e.Audience] {
			continue
		}
		some = append(some, e)
	}
	sent, ok = r.give(ctx, some)
	return sent, again, ok
}

// give hands on the objects of events as far as they are there and the viewer sees them.
func (r *gatherReader[T]) give(ctx context.Context, events []event.Event) (sent int, ok bool) {
	var ids []string
	for _, e := range events {
		if e.Type == r.Type && e.Position > r.position {
			ids = append(ids, e.Object)
		}
	}
	var found map[string]*T
	if len(ids) > 0 {
		var err error
		if found, err = persist(ctx, func() (map[string]*T, error) { return r.Load(ctx, ids) }); err != nil {
			return 0, false
		}
	}
	for _, e := range events {
		if e.Position <= r.position {
			continue
		}
		r.position = e.Position
		object := found[e.Object]
		if e.Type != r.Type || object == nil {
			continue
		}
		if !r.send(Gathered[T]{Cursor: r.log.Cursor(e.Position), Object: object}) {
			return sent, false
		}
		sent++
	}
	return sent, true
}
