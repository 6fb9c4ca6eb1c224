package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/resume"
)

// JobUpdate is one message of the subscription job.
type JobUpdate struct {
	Cursor  event.Cursor
	Version int64
	Job     *gen.Job
	// PartialText is the whole text so far while the job runs.
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
	p := &pump{}
	w := s.hub.Watch(Interest{
		Audiences: []string{event.User(j.OwnerID)}, Keys: []string{id, j.RunID}, Policy: policyOf(ctx), Wake: p.wake,
	})
	head, err := reach(ctx, func() (int64, error) { return s.log.Head(ctx) })
	if err == nil {
		j, err = reach(ctx, get)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	out := make(chan *JobUpdate)
	r := &jobReader{Streams: s, viewer: viewer, watch: w, run: w.Keys[1], job: j, cursor: s.log.Cursor(head), place: resume.From(ctx), out: out}
	first := true
	p.step = func() bool {
		if first {
			first = false
			if !r.emit(ctx) || !r.move() {
				return false
			}
		}
		return ctx.Err() == nil && r.follow(ctx)
	}
	p.end = func() { w.Close(); close(out); r.place.Close() }
	r.place.Announce()
	p.start(ctx)
	return out, nil
}

type jobReader struct {
	*Streams
	viewer auth.Viewer
	watch  *Watch
	// run is the one whose progress the watch brings.
	run    string
	job    *gen.Job
	cursor event.Cursor
	place  *resume.Reader
	out    chan<- *JobUpdate
}

// follow goes on with what the watch brought.
func (r *jobReader) follow(ctx context.Context) bool {
	t := r.watch.Take()
	var newest event.Event
	for _, e := range t.Events {
		if e.Type == event.TypeJobChanged && e.Object == r.job.ID && e.Version > newest.Version {
			newest = e
		}
	}
	switch {
	case newest.Version > r.job.Version || t.Overflow:
		return r.changed(ctx, newest, t.Overflow)
	case t.Reported && r.progress() != nil:
		return r.emit(ctx)
	}
	return true
}

// emit hands on the job as it is known, with what its worker last reported.
func (r *jobReader) emit(ctx context.Context) bool {
	u := &JobUpdate{Cursor: r.cursor, Version: r.job.Version, Job: r.job}
	if p := r.progress(); p != nil && p.Partial != "" {
		u.PartialText = &p.Partial
	}
	r.place.Mark(u.Cursor)
	return send(ctx, r.out, u)
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

// progress is the last report of the attempt that the job is known to be at.
func (r *jobReader) progress() *jobspec.Progress {
	p, ok := r.hub.Progress(r.job.RunID)
	if !ok || r.job.State != job.Running || p.Attempt != r.job.Attempt-r.job.AttemptBase {
		return nil
	}
	return &p
}

// changed hands on the newest state and tells whether the stream goes on.
func (r *jobReader) changed(ctx context.Context, newest event.Event, overflow bool) bool {
	position := newest.Position
	j, err := persist(ctx, func() (*gen.Job, error) {
		if !overflow {
			return r.jobLoader.Get(ctx, r.job.ID, newest.Version)
		}
		head, err := r.log.Head(ctx)
		if err != nil {
			return nil, err
		}
		position = head
		return r.jobs.Get(ctx, r.job.ID)
	})
	if err != nil || !r.viewer.Sees(j.OwnerID) {
		return false
	}
	if j.Version <= r.job.Version {
		return true
	}
	r.job = j
	r.cursor.Position = max(r.cursor.Position, position)
	return r.emit(ctx) && r.move()
}
