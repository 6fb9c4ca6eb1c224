package live

import (
	"context"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/resume"
)

// Series streams what belongs to a parent, each as show gives it: without after
// the present members first, then every change. It ends with the parent.
func Series[T, M any](ctx context.Context, s *Streams, of domain.Series[T], parent string, after *event.Cursor, show func(event.Cursor, *T) M) (<-chan M, error) {
	viewer, err := auth.RequireAny(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := reach(ctx, func() (string, error) { return of.Parent(ctx, parent) })
	if err != nil {
		return nil, err
	}
	r := &seriesReader[T]{
		Streams: s, Series: of, viewer: viewer, parent: parent, audience: event.User(owner), cursor: s.log.Cursor(0), versions: map[string]int64{},
	}
	i := Interest{Audiences: []string{r.audience}, Keys: []string{parent}}
	return stream(ctx, s, i, func(o opening[M]) (follower, error) {
		r.head = o.head
		r.send = func(t *T) bool { return o.send(r.cursor, show(r.cursor, t)) }
		return r, r.find(ctx, after)
	})
}

// choice tells which of a parent's members to hand on.
type choice[T any] func(*T) bool

// seriesReader reads the series of one parent.
type seriesReader[T any] struct {
	*Streams
	domain.Series[T]
	viewer   auth.Viewer
	parent   string
	audience string
	send     func(*T) bool
	// head is where the log was when the stream began, resumed whether it goes on
	// from a position.
	head    int64
	resumed bool
	// cursor is the position up to which the subscriber has everything.
	cursor event.Cursor
	// versions are those that the subscriber was given, by member.
	versions map[string]int64
}

// find looks where the stream begins.
func (r *seriesReader[T]) find(ctx context.Context, after *event.Cursor) error {
	after, err := reach(ctx, func() (*event.Cursor, error) {
		return r.book.Begin(ctx, r.viewer, resume.Ask{After: after, Head: r.log.Cursor(r.head)})
	})
	if err != nil {
		return err
	}
	// The parent may have ended since it was found and before it was watched.
	if _, err := reach(ctx, func() (any, error) { return r.fresh(ctx, r.parent) }); err != nil || after == nil {
		return err
	}
	// A position that this log does not have is as good as its beginning.
	r.resumed = true
	foreign, err := r.foreign(ctx, *after, r.head)
	if !foreign {
		r.cursor = *after
	}
	return err
}

func (r *seriesReader[T]) start(ctx context.Context) bool {
	if r.resumed {
		return r.present(ctx, r.head, true, r.since(ctx))
	}
	return r.present(ctx, r.head, false, func(*T) bool { return true })
}

// since chooses the members that changed after the cursor, all of them when the
// log no longer tells.
func (r *seriesReader[T]) since(ctx context.Context) choice[T] {
	all := func(*T) bool { return true }
	changed := map[string]bool{}
	for at := r.cursor.Position; ; {
		events, err := r.log.Read(ctx, event.Filter{Audiences: []string{r.audience}, After: at, Limit: replayPage})
		if err != nil {
			return all
		}
		for _, e := range events {
			if e.Type == r.Type && e.Parent == r.parent {
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
	return func(t *T) bool { return changed[r.ID(t)] }
}

func (r *seriesReader[T]) follow(ctx context.Context, t Taken) bool {
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
func (r *seriesReader[T]) again(ctx context.Context) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	if _, err := persist(ctx, func() (any, error) { return r.fresh(ctx, r.parent) }); err != nil {
		return false // its end was among what was lost
	}
	return r.present(ctx, head, true, r.since(ctx))
}

// changed hands on the member of an event and tells whether the stream goes on.
func (r *seriesReader[T]) changed(ctx context.Context, e event.Event) bool {
	if r.Ends(e) {
		return false
	}
	if e.Type != r.Type || e.Position <= r.cursor.Position {
		return true
	}
	loaded, err := persist(ctx, func() (any, error) { return r.load(ctx, r.viewer, e) })
	if err != nil {
		return false
	}
	t, ok := loaded.(*T)
	if !ok {
		return true // gone with its parent, whose event follows
	}
	r.cursor.Position = e.Position
	return r.emit(t)
}

// present hands on the chosen members as they are now, at the head or later.
// Only the last one carries the head's cursor: whoever resumes from one before it
// must get the rest.
func (r *seriesReader[T]) present(ctx context.Context, head int64, all bool, wanted choice[T]) bool {
	members, err := persist(ctx, func() ([]*T, error) { return r.Members(ctx, r.parent, all) })
	if err != nil {
		return false
	}
	var chosen []*T
	for _, t := range members {
		if r.Version(t) > r.versions[r.ID(t)] && wanted(t) {
			chosen = append(chosen, t)
		}
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

func (r *seriesReader[T]) emit(t *T) bool {
	if r.Version(t) <= r.versions[r.ID(t)] {
		return true
	}
	r.versions[r.ID(t)] = r.Version(t)
	return r.send(t)
}

// fresh reads an object as the viewer of ctx may see it, past caches.
func (s *Streams) fresh(ctx context.Context, id string) (any, error) {
	k, err := s.kindOf(id)
	if err != nil {
		return nil, err
	}
	return k.Fresh(ctx, id)
}

// load gives the object of an event as far as it still exists and the viewer may
// see it, else nil.
func (s *Streams) load(ctx context.Context, viewer auth.Viewer, e event.Event) (any, error) {
	k, err := s.kindOf(e.Object)
	if err != nil {
		return nil, err
	}
	object, err := s.loaders[k.Prefix].Get(ctx, e.Object, e.Version)
	if apperr.Is(err, apperr.NotFound) || err == nil && !viewer.Sees(k.Owner(object)) {
		return nil, nil //nolint:nilnil // nothing to show is an answer here
	}
	return object, err
}
