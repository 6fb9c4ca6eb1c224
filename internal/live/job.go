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
	// PartialText is the whole text so far while the job runs.
	PartialText *string
}

// Job streams a job of the viewer: its present state, every recorded change,
// progress in between; it ends with the job.
func (s *Streams) Job(ctx context.Context, id string) (<-chan *JobUpdate, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	w := s.hub.Watch(id)
	head, err := s.log.Head(ctx)
	if err != nil {
		w.Close()
		return nil, err
	}
	j, err := s.jobs.Get(ctx, id)
	if err != nil {
		w.Close()
		return nil, err
	}
	out := make(chan *JobUpdate)
	go func() {
		defer close(out)
		defer w.Close()
		r := &jobReader{Streams: s, viewer: viewer, job: j, cursor: s.log.Cursor(head)}
		r.run(ctx, w, out)
	}()
	return out, nil
}

type jobReader struct {
	*Streams
	viewer auth.Viewer
	job    *gen.Job
	cursor event.Cursor
}

func (r *jobReader) run(ctx context.Context, w *Watch, out chan<- *JobUpdate) {
	// Progress comes by run, and a retry hangs the job on another one.
	progress := r.hub.Watch(r.job.RunID)
	defer func() { progress.Close() }()
	if !r.emit(ctx, out) {
		return
	}
	for !job.Final(r.job.State) {
		select {
		case <-ctx.Done():
			return
		case <-w.C:
			if !r.changed(ctx, w.Take(), out) {
				return
			}
			if progress.keys[0] != r.job.RunID {
				progress.Close()
				progress = r.hub.Watch(r.job.RunID)
			}
		case <-progress.C:
			progress.Take()
			if r.progress() != nil && !r.emit(ctx, out) {
				return
			}
		}
	}
}

// emit hands on the job as it is known, with what its worker last reported.
func (r *jobReader) emit(ctx context.Context, out chan<- *JobUpdate) bool {
	u := &JobUpdate{Cursor: r.cursor, Version: r.job.Version, Job: r.job}
	if p := r.progress(); p != nil && p.Partial != "" {
		u.PartialText = &p.Partial
	}
	return send(ctx, out, u)
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
func (r *jobReader) changed(ctx context.Context, t Taken, out chan<- *JobUpdate) bool {
	var newest jobspec.Event
	for _, e := range t.Events {
		if e.Type == event.TypeJobChanged && e.Version > newest.Version {
			newest = e
		}
	}
	if newest.Version <= r.job.Version && !t.Overflow {
		return true
	}
	position := newest.Position
	j, err := persist(ctx, func() (*gen.Job, error) {
		if !t.Overflow {
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
	return r.emit(ctx, out)
}
