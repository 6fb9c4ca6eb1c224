package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/natsx"
	"parley/internal/object"
	"parley/internal/resume"
	"parley/internal/store"
)

// Config is what Streams are made of. Everything is required but Observe.
type Config struct {
	Hub  *Hub
	Log  *event.Log
	Book *resume.Book
	Jobs *job.Service
	// Domains says what events come with and how they are shown.
	Domains *domain.Set
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
	domains *domain.Set
	observe Observer
	// loaders load what events come with, by the prefix of its ids.
	loaders map[string]*Loader[any]

	stop     sync.Once
	stopping chan struct{}
}

// loadedAtOnce is how many objects of a kind subscribers share at a time.
const loadedAtOnce = 512

// NewStreams makes Streams.
func NewStreams(cfg Config) (*Streams, error) {
	s := &Streams{
		hub: cfg.Hub, log: cfg.Log, book: cfg.Book, jobs: cfg.Jobs, domains: cfg.Domains,
		observe: cfg.Observe.withDefaults(), loaders: map[string]*Loader[any]{}, stopping: make(chan struct{}),
	}
	for _, k := range cfg.Domains.Objects() {
		if k.Fresh == nil {
			continue
		}
		l, err := NewLoader(loadedAtOnce, func(ctx context.Context, id string) (any, error) {
			return k.Fresh(auth.System(ctx, "live.load"), id)
		})
		if err != nil {
			return nil, err
		}
		s.loaders[k.Prefix] = l
	}
	return s, nil
}

// kindOf gives the kind of an object that events come with, by its id.
func (s *Streams) kindOf(id string) (object.Kind, error) {
	prefix, _ := store.Prefix(id)
	k, _ := s.domains.Object(prefix)
	if k.Fresh == nil {
		return k, fmt.Errorf("live: nothing loads %q", id)
	}
	return k, nil
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
