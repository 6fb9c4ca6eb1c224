package live

import (
	"context"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/note"
)

// Streams makes the subscriptions' channels. Each one registers with the hub,
// then reads the present state, then hands on what is newer; versions decide.
// A stream ends when its context does.
type Streams struct {
	hub  *Hub
	log  *event.Log
	jobs *job.Service
	note *note.Service

	jobLoader         *Loader[*gen.Job]
	translationLoader *Loader[*gen.Translation]
	noteLoader        *Loader[*gen.Note]
}

// NewStreams makes Streams.
func NewStreams(hub *Hub, log *event.Log, jobs *job.Service, notes *note.Service) (*Streams, error) {
	s := &Streams{hub: hub, log: log, jobs: jobs, note: notes}
	var err error
	if s.jobLoader, err = NewLoader(func(ctx context.Context, id string) (*gen.Job, error) {
		return jobs.Get(auth.System(ctx, "live.load"), id)
	}); err != nil {
		return nil, err
	}
	if s.translationLoader, err = NewLoader(func(ctx context.Context, id string) (*gen.Translation, error) {
		return notes.Translation(auth.System(ctx, "live.load"), id)
	}); err != nil {
		return nil, err
	}
	s.noteLoader, err = NewLoader(func(ctx context.Context, id string) (*gen.Note, error) {
		return notes.Load(auth.System(ctx, "live.load"), id)
	})
	return s, err
}

// send hands one value to the reader and tells whether the stream goes on.
func send[T any](ctx context.Context, out chan<- T, v T) bool {
	select {
	case out <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// wait blocks until the watch has something and tells whether the stream goes
// on.
func wait(ctx context.Context, w *Watch) bool {
	select {
	case <-w.C:
		return true
	case <-ctx.Done():
		return false
	}
}
