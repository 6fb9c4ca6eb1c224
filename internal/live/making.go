package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
)

// Making streams an object that jobs make, each message as show gives it: its present
// state, every recorded change of it and of its jobs, and progress in between. It ends when
// the object is done or gone.
func Making[T, M any](ctx context.Context, s *Streams, of domain.Making[T], id string, show func(domain.Made[T]) M) (<-chan M, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	get := func() (*T, error) { return of.Load(ctx, id) }
	object, err := reach(ctx, get) // for its owner and its jobs; its state is read below
	if err != nil {
		return nil, err
	}
	i := Interest{Audiences: []string{event.User(of.Owner(object))}, Keys: []string{id}}
	return stream(ctx, s, i, func(o opening[M]) (follower, error) {
		r := &makingReader[T]{Streams: s, Making: of, viewer: viewer, id: id, watch: o.watch, cursor: s.log.Cursor(o.head), runs: map[string]string{}}
		r.send = func(m domain.Made[T]) bool { return o.send(m.Cursor, show(m)) }
		if r.jobs, err = reach(ctx, func() ([]*gen.Job, error) { return s.jobs.GetAll(ctx, of.Jobs(object)) }); err != nil {
			return nil, err
		}
		r.watchRuns()
		// Read after their runs are watched, and again, as they may have moved on. The object
		// comes last: where it still waits for a job, what that had told is not left out.
		if r.jobs, err = reach(ctx, func() ([]*gen.Job, error) { return s.jobs.GetAll(ctx, of.Jobs(object)) }); err != nil {
			return nil, err
		}
		r.object, err = reach(ctx, get)
		return r, err
	})
}

type makingReader[T any] struct {
	*Streams
	domain.Making[T]
	viewer auth.Viewer
	id     string
	watch  *Watch
	send   func(domain.Made[T]) bool
	cursor event.Cursor
	object *T
	jobs   []*gen.Job
	// runs are those whose progress the watch brings, by the id of their job.
	runs map[string]string
}

// watchRuns watches the runs that the jobs hang on by now: a retry brings another one.
func (r *makingReader[T]) watchRuns() {
	for _, j := range r.jobs {
		if old, watched := r.runs[j.ID]; watched {
			r.watch.Swap(old, j.RunID)
		} else {
			r.watch.Add(j.RunID)
		}
		r.runs[j.ID] = j.RunID
	}
}

func (r *makingReader[T]) start(context.Context) bool {
	r.watchRuns()
	return r.emit() && !r.Done(r.object)
}

func (r *makingReader[T]) follow(ctx context.Context, t Taken) bool {
	if t.Overflow {
		if !r.again(ctx) {
			return false
		}
	}
	changed := t.Overflow
	for _, e := range t.Events {
		moved, ok := r.take(ctx, e)
		if !ok {
			return false
		}
		changed = changed || moved
	}
	switch {
	case changed:
		r.watchRuns()
		return r.emit() && !r.Done(r.object)
	case t.Progressed && len(r.progress()) > 0:
		return r.emit()
	}
	return true
}

// take takes an event in, and tells whether it brought something new and whether the
// stream goes on.
func (r *makingReader[T]) take(ctx context.Context, e event.Event) (moved, ok bool) {
	at := -1
	switch e.Type {
	case r.Type:
		if e.Object != r.id || e.Version <= r.Version(r.object) {
			return false, true
		}
	case job.TypeJobChanged:
		for i, j := range r.jobs {
			if j.ID == e.Object && e.Version > j.Version {
				at = i
			}
		}
		if at < 0 {
			return false, true
		}
	default:
		return false, true
	}
	loaded, err := persist(ctx, func() (any, error) { return r.load(ctx, r.viewer, e) })
	if err != nil {
		return false, false
	}
	if at >= 0 {
		j, there := loaded.(*gen.Job)
		if !there {
			return false, true // it goes with the object, whose event follows
		}
		r.jobs[at] = j
	} else if object, there := loaded.(*T); there {
		r.object = object
	} else {
		return false, false
	}
	r.cursor.Position = max(r.cursor.Position, e.Position)
	return true, true
}

// again reads everything anew after events were lost.
func (r *makingReader[T]) again(ctx context.Context) bool {
	head, err := persist(ctx, func() (int64, error) { return r.log.Head(ctx) })
	if err != nil {
		return false
	}
	jobs, err := persist(ctx, func() ([]*gen.Job, error) { return r.Streams.jobs.GetAll(ctx, r.Jobs(r.object)) })
	if err != nil {
		return false
	}
	object, err := persist(ctx, func() (*T, error) { return r.Load(ctx, r.id) })
	if err != nil {
		return false
	}
	r.object, r.jobs, r.cursor.Position = object, jobs, max(r.cursor.Position, head)
	return true
}

// emit hands on what is known.
func (r *makingReader[T]) emit() bool {
	m := domain.Made[T]{Cursor: r.cursor, Version: r.Version(r.object), Object: r.object, Progress: r.progress()}
	for _, j := range r.jobs {
		m.Version += j.Version
	}
	return r.send(m)
}

// progress is the last report of each job under way, of its present attempt or, until there
// is one, of those before it.
func (r *makingReader[T]) progress() map[string]jobspec.Progress {
	all := map[string]jobspec.Progress{}
	for _, j := range r.jobs {
		if p, ok := r.hub.Progress(j.RunID); ok && !job.Final(j.State) && p.Attempt <= j.Attempt-j.AttemptBase {
			all[j.ID] = p
		}
	}
	return all
}
