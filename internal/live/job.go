package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
)

// JobUpdate is one message of the subscription job.
type JobUpdate struct {
	Cursor  event.Cursor
	Version int64
	Job     *gen.Job
	// PartialText is the whole text so far until the job ends.
	PartialText *string
}

// Job streams a job that the viewer may see: its present state, every recorded
// change, progress in between; it ends with the job.
func (s *Streams) Job(ctx context.Context, id string) (<-chan *JobUpdate, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	get := func() (*gen.Job, error) { return s.jobs.Get(ctx, id) }
	j, err := reach(ctx, get) // for its owner and its run; its state is read below
	if err != nil {
		return nil, err
	}
	i := Interest{Audiences: []string{event.User(j.OwnerID)}, Keys: []string{id, j.RunID}}
	return stream(ctx, s, i, func(o opening[*JobUpdate]) (follower, error) {
		watched := j.RunID
		if j, err = reach(ctx, get); err != nil {
			return nil, err
		}
		return &jobReader{Streams: s, viewer: viewer, opening: o, run: watched, job: j, cursor: s.log.Cursor(o.head)}, nil
	})
}

type jobReader struct {
	*Streams
	opening[*JobUpdate]
	viewer auth.Viewer
	// run is the one whose progress the watch brings.
	run    string
	job    *gen.Job
	cursor event.Cursor
}

func (r *jobReader) start(context.Context) bool { return r.emit() && r.move() }

func (r *jobReader) follow(ctx context.Context, t Taken) bool {
	var newest event.Event
	for _, e := range t.Events {
		if e.Type == job.TypeJobChanged && e.Object == r.job.ID && e.Version > newest.Version {
			newest = e
		}
	}
	switch {
	case newest.Version > r.job.Version || t.Overflow:
		return r.changed(ctx, newest, t.Overflow)
	case t.Progressed && r.progress() != nil:
		return r.emit()
	}
	return true
}

// emit hands on the job as it is known, with what its worker last progressed.
func (r *jobReader) emit() bool {
	u := &JobUpdate{Cursor: r.cursor, Version: r.job.Version, Job: r.job}
	if p := r.progress(); p != nil && p.Partial != "" {
		u.PartialText = &p.Partial
	}
	return r.send(u.Cursor, u)
}

// move tells whether there is more to come, and watches the run that the job
// hangs on by now: a retry brings another one.
func (r *jobReader) move() bool {
	if job.Final(r.job.State) {
		return false
	}
	r.watch.Swap(r.run, r.job.RunID)
	r.run = r.job.RunID
	return true
}

// progress is the last report of the attempt that the job is known to be at, or, until
// there is one, of those before it.
func (r *jobReader) progress() *jobspec.Progress {
	p, ok := r.hub.Progress(r.job.RunID)
	if !ok || job.Final(r.job.State) || p.Attempt > r.job.Attempt-r.job.AttemptBase {
		return nil
	}
	return &p
}

// changed hands on the newest state and tells whether the stream goes on.
func (r *jobReader) changed(ctx context.Context, newest event.Event, overflow bool) bool {
	position := newest.Position
	loaded, err := persist(ctx, func() (any, error) {
		if !overflow {
			return r.load(ctx, r.viewer, newest)
		}
		head, err := r.log.Head(ctx)
		if err != nil {
			return nil, err
		}
		position = head
		return r.fresh(ctx, r.job.ID)
	})
	j, _ := loaded.(*gen.Job)
	if err != nil || j == nil {
		return false
	}
	if j.Version <= r.job.Version {
		return true
	}
	r.job = j
	r.cursor.Position = max(r.cursor.Position, position)
	return r.emit() && r.move()
}
