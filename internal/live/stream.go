package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/resume"
)

// Config is what Streams are made of. Everything is required but Observe.
type Config struct {
	Hub  *Hub
	Log  *event.Log
	Book *resume.Book
	Jobs *job.Service
	Note *note.Service
	// Observe is told what happens.
	Observe Observer
}

// Observer is told what streams do; each of its functions may be nil. They must
// be quick.
type Observer struct {
	// Pushed is told how long after its commit an event was handed to its reader.
	Pushed func(time.Duration)
	// Replayed is told how many events a stream that resumed read from the log.
	Replayed func(events int)
	// Reset is told that a stream began anew, and why: EXPIRED or EPOCH.
	Reset func(reason string)
}

func (o Observer) withDefaults() Observer {
	if o.Pushed == nil {
		o.Pushed = func(time.Duration) {}
	}
	if o.Replayed == nil {
		o.Replayed = func(int) {}
	}
	if o.Reset == nil {
		o.Reset = func(string) {}
	}
	return o
}

// Streams makes the subscriptions' channels. Each one registers with the hub,
// then reads the present state, then hands on what is newer; versions decide.
// A stream ends when its context does.
type Streams struct {
	hub     *Hub
	log     *event.Log
	book    *resume.Book
	jobs    *job.Service
	note    *note.Service
	observe Observer

	jobLoader         *Loader[*gen.Job]
	translationLoader *Loader[*gen.Translation]
	noteLoader        *Loader[*gen.Note]

	stop     sync.Once
	stopping chan struct{}
}

// NewStreams makes Streams.
func NewStreams(cfg Config) (*Streams, error) {
	s := &Streams{
		hub: cfg.Hub, log: cfg.Log, book: cfg.Book, jobs: cfg.Jobs, note: cfg.Note,
		observe: cfg.Observe.withDefaults(), stopping: make(chan struct{}),
	}
	var err error
	if s.jobLoader, err = NewLoader(1024, func(ctx context.Context, id string) (*gen.Job, error) {
		return s.jobs.Get(auth.System(ctx, "live.load"), id)
	}); err != nil {
		return nil, err
	}
	if s.translationLoader, err = NewLoader(256, func(ctx context.Context, id string) (*gen.Translation, error) {
		return s.note.Translation(auth.System(ctx, "live.load"), id)
	}); err != nil {
		return nil, err
	}
	s.noteLoader, err = NewLoader(64, func(ctx context.Context, id string) (*gen.Note, error) {
		return s.note.Load(auth.System(ctx, "live.load"), id)
	})
	return s, err
}

// Stop ends every Since that waits, and those to come do not wait. Streams end
// with their connections.
func (s *Streams) Stop() { s.stop.Do(func() { close(s.stopping) }) }

// send hands one value to the reader and tells whether the stream goes on.
func send[T any](ctx context.Context, out chan<- T, v T) bool {
	select {
	case out <- v:
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

// reach reads what a stream begins with. A database that is away for a moment
// must not refuse the stream: clients do not ask again for what was answered with
// an error.
func reach[T any](ctx context.Context, read func() (T, error)) (T, error) {
	v, err := persist(ctx, func() (T, error) {
		v, err := read()
		if code := apperr.CodeOf(err); err == nil || code == apperr.Unavailable || code == apperr.Timeout {
			return v, err
		}
		return v, final{err}
	})
	var refusal final
	if errors.As(err, &refusal) {
		err = refusal.error
	}
	return v, err
}

// final is an error that asking again would give again.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// answered tells whether asking again would give the same.
func answered(err error) bool {
	if errors.As(err, new(final)) {
		return true
	}
	switch apperr.CodeOf(err) {
	case apperr.NotFound, apperr.Forbidden, apperr.Unauthenticated, apperr.BadInput:
		return true
	}
	return false
}
