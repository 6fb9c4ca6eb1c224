package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"parley/internal/dispatch"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/natsx"
	"parley/internal/store"
)

// batch is how many rows a pump takes at a time.
const batch = 500

// Config of the relay; zero values mean the defaults.
type Config struct {
	// Poll is how often the pumps look although nobody woke them: 1 s.
	Poll time.Duration
	// RescueEvery is how often lost runs are looked for: 30 s.
	RescueEvery time.Duration
	// KeepAge and KeepRows bound the event log: 7 days, 5 million rows.
	KeepAge  time.Duration
	KeepRows int64
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.RescueEvery <= 0 {
		c.RescueEvery = 30 * time.Second
	}
	if c.KeepAge <= 0 {
		c.KeepAge = 7 * 24 * time.Hour
	}
	if c.KeepRows <= 0 {
		c.KeepRows = 5_000_000
	}
	return c
}

// Relay takes committed rows to NATS: outbox rows to JOBS, event rows to the
// shards of core NATS. One process leads at a time.
type Relay struct {
	Store *store.Store
	Log   *event.Log
	Jobs  *job.Service
	// Outbox holds what is to be published.
	Outbox *dispatch.Outbox
	Bus    *natsx.Bus
	Waker  *Waker
	// Invalidate keeps caches from being older than events that are about to
	// be published; nil when there is no cache.
	Invalidate func(ctx context.Context, events []event.Event) error
	// Expire deletes what has expired; called every hour. It may be nil.
	Expire func(ctx context.Context) error
	Config Config
}

// Run relays until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	cfg := r.Config.withDefaults()
	sub, err := r.Bus.Conn().Subscribe(event.SubjectWake, func(*nats.Msg) { r.Waker.local() })
	if err != nil {
		return fmt.Errorf("listen for wake-ups: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	l := &store.Leader{Store: r.Store, Lock: store.LockRelay, Work: "relay", Retry: cfg.Poll, Check: 5 * time.Second}
	return l.Lead(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return (&eventPump{Relay: r, poll: cfg.Poll}).run(ctx) })
		g.Go(func() error { return (&jobPump{Relay: r, poll: cfg.Poll}).run(ctx) })
		g.Go(func() error { return r.keep(ctx, cfg) })
		return g.Wait()
	})
}

// keep rescues lost runs and deletes what has expired.
func (r *Relay) keep(ctx context.Context, cfg Config) error {
	rescue := time.NewTicker(cfg.RescueEvery)
	defer rescue.Stop()
	expire := time.NewTicker(time.Hour)
	defer expire.Stop()
	r.expire(ctx, cfg)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-rescue.C:
			if n, err := r.Jobs.Rescue(ctx, queue{r.Bus}); err != nil && ctx.Err() == nil {
				slog.Error("lost runs could not be rescued", "rescued", n, "error", err)
			}
		case <-expire.C:
			r.expire(ctx, cfg)
		}
	}
}

// Lost gives the work of a worker that is known to be dead to others.
func (r *Relay) Lost(ctx context.Context, worker string) error {
	_, err := r.Jobs.RescueFrom(ctx, queue{r.Bus}, worker)
	return err
}

func (r *Relay) expire(ctx context.Context, cfg Config) {
	steps := []func(context.Context) error{
		func(ctx context.Context) error { _, err := r.Log.Trim(ctx, cfg.KeepAge, cfg.KeepRows); return err },
	}
	if r.Expire != nil {
		steps = append(steps, r.Expire)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil && ctx.Err() == nil {
			slog.Error("what has expired could not be deleted", "error", err)
		}
	}
}
