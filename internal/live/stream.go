package live

import (
	"context"
	"log/slog"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/natsx"
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
	if s.jobLoader, err = NewLoader(1024, func(ctx context.Context, id string) (*gen.Job, error) {
		return jobs.Get(auth.System(ctx, "live.load"), id)
	}); err != nil {
		return nil, err
	}
	if s.translationLoader, err = NewLoader(256, func(ctx context.Context, id string) (*gen.Translation, error) {
		return notes.Translation(auth.System(ctx, "live.load"), id)
	}); err != nil {
		return nil, err
	}
	s.noteLoader, err = NewLoader(64, func(ctx context.Context, id string) (*gen.Note, error) {
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

// persist reads until it gets an answer or ctx ends: a database that is away
// for a moment must not end a stream as if there were nothing more to come.
func persist[T any](ctx context.Context, read func() (T, error)) (T, error) {
	pause := natsx.Backoff{First: 100 * time.Millisecond, Most: 5 * time.Second}
	for {
		v, err := read()
		if err == nil || answered(err) || ctx.Err() != nil {
			return v, err
		}
		slog.WarnContext(ctx, "the database does not answer live readers, they try again", "error", err)
		pause.Wait(ctx)
	}
}

// answered tells whether asking again would give the same.
func answered(err error) bool {
	switch apperr.CodeOf(err) {
	case apperr.NotFound, apperr.Forbidden, apperr.Unauthenticated, apperr.BadInput:
		return true
	}
	return false
}
