package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
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
	Bus   *natsx.Bus
	Waker *Waker
	// Invalidate keeps caches from being older than an event that is about to
	// be published.
	Invalidate func(ctx context.Context, e jobspec.Event) error
	// Expire deletes what has expired; called every hour.
	Expire func(ctx context.Context) error
	Config Config
}

// Run relays until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	r.Config = r.Config.withDefaults()
	sub, err := r.Bus.Conn().Subscribe(jobspec.SubjectOutbox, func(*nats.Msg) { r.Waker.local() })
	if err != nil {
		return fmt.Errorf("listen for wake-ups: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	l := &leader{store: r.Store, retry: r.Config.Poll, check: 5 * time.Second}
	return l.Lead(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return r.pumpEvents(ctx) })
		g.Go(func() error { return r.pumpJobs(ctx) })
		g.Go(func() error { return r.keep(ctx) })
		return g.Wait()
	})
}

// pumpEvents publishes event rows in the order of their positions.
func (r *Relay) pumpEvents(ctx context.Context) error {
	heads, err := r.Log.ShardHeads(ctx)
	if err != nil {
		return fmt.Errorf("read the heads of the shards: %w", err)
	}
	last, err := r.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head of the log: %w", err)
	}
	// Whoever led before may have died between commit and publish: telling
	// the heads makes every hub look for what it missed.
	for shard, head := range heads {
		if err := r.publishBatch(jobspec.EventBatch{Epoch: r.Log.Epoch(), Shard: shard, Previous: head}); err != nil {
			return err
		}
	}
	for {
		n, err := r.relayEvents(ctx, &last, heads)
		if err != nil {
			return fmt.Errorf("relay events: %w", err)
		}
		if n == batch {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.Waker.events:
		case <-time.After(r.Config.Poll):
		}
	}
}

func (r *Relay) relayEvents(ctx context.Context, last *int64, heads map[int]int64) (int, error) {
	if _, err := r.Log.Position(ctx, batch); err != nil {
		return 0, err
	}
	events, err := r.Log.Read(ctx, event.Filter{Shard: -1, After: *last, Limit: batch})
	if err != nil || len(events) == 0 {
		return 0, err
	}
	byShard := map[int]*jobspec.EventBatch{}
	for _, e := range events {
		if err := r.Invalidate(ctx, e); err != nil {
			// Entries age out by themselves; holding up every event would be worse.
			slog.Error("a cache was not invalidated", "event", e.Type, "object", e.Object, "error", err)
		}
		shard := jobspec.EventShard(e.Audience)
		b := byShard[shard]
		if b == nil {
			b = &jobspec.EventBatch{Epoch: r.Log.Epoch(), Shard: shard, Previous: heads[shard]}
			byShard[shard] = b
		}
		b.Events = append(b.Events, e)
		heads[shard] = e.Position
	}
	for _, b := range byShard {
		if err := r.publishBatch(*b); err != nil {
			return 0, err
		}
	}
	*last = events[len(events)-1].Position
	return len(events), nil
}

func (r *Relay) publishBatch(b jobspec.EventBatch) error {
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	if err := r.Bus.Conn().Publish(jobspec.EventSubject(b.Shard), data); err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	return nil
}

// pumpJobs publishes what the outbox holds. What the broker refuses stays
// there.
func (r *Relay) pumpJobs(ctx context.Context) error {
	pause := natsx.Backoff{First: 50 * time.Millisecond, Most: 5 * time.Second}
	for {
		n, next, err := r.relayJobs(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			slog.Warn("the outbox waits", "error", err)
			pause.Wait(ctx)
			continue
		case n == batch:
			pause.Reset()
			continue
		}
		pause.Reset()
		wait := r.Config.Poll
		if !next.IsZero() {
			wait = max(time.Millisecond, min(wait, time.Until(next)))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.Waker.jobs:
		case <-time.After(wait):
		}
	}
}

func (r *Relay) relayJobs(ctx context.Context) (int, time.Time, error) {
	due, next, err := r.Jobs.Due(ctx, batch)
	if err != nil || len(due) == 0 {
		return 0, next, err
	}
	var done, publish []job.Dispatch
	for _, d := range due {
		switch {
		case d.Cancel:
			if err := r.cancel(ctx, d.Job.Run); err != nil {
				return 0, next, err
			}
			done = append(done, d)
			continue
		case d.Job.Moved || d.Job.Attempt > 1:
			// An older message of the run would keep the new one out.
			if _, err := r.Bus.PurgeRun(ctx, jobspec.JobRunFilter(d.Job.Run)); err != nil {
				return 0, next, err
			}
		}
		publish = append(publish, d)
	}
	published, err := r.publish(ctx, publish)
	done = append(done, published...)
	if derr := r.Jobs.Dispatched(ctx, done); derr != nil {
		return 0, next, errors.Join(err, derr)
	}
	return len(due), next, err
}

func (r *Relay) cancel(ctx context.Context, run string) error {
	if _, err := r.Bus.PurgeRun(ctx, jobspec.JobRunFilter(run)); err != nil {
		return err
	}
	return r.Bus.CancelRun(ctx, run)
}

func (r *Relay) publish(ctx context.Context, due []job.Dispatch) ([]job.Dispatch, error) {
	jobs := make([]jobspec.Job, len(due))
	for i, d := range due {
		jobs[i] = d.Job
	}
	var done []job.Dispatch
	var refused error
	for i, err := range r.Bus.PublishJobs(ctx, jobs) {
		if err == nil || errors.Is(err, natsx.ErrDuplicate) || errors.Is(err, natsx.ErrOccupied) {
			done = append(done, due[i])
			continue
		}
		refused = err
	}
	return done, refused
}

// keep rescues lost runs and deletes what has expired.
func (r *Relay) keep(ctx context.Context) error {
	rescue := time.NewTicker(r.Config.RescueEvery)
	defer rescue.Stop()
	expire := time.NewTicker(time.Hour)
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-rescue.C:
			if n, err := r.Jobs.Rescue(ctx, queue{r.Bus}); err != nil && ctx.Err() == nil {
				slog.Error("rescue lost runs", "rescued", n, "error", err)
			}
		case <-expire.C:
			if err := r.expire(ctx); err != nil && ctx.Err() == nil {
				slog.Error("delete what has expired", "error", err)
			}
		}
	}
}

func (r *Relay) expire(ctx context.Context) error {
	if _, err := r.Log.Trim(ctx, r.Config.KeepAge, r.Config.KeepRows); err != nil {
		return err
	}
	if _, err := r.Jobs.ForgetKeys(ctx); err != nil {
		return err
	}
	if r.Expire == nil {
		return nil
	}
	return r.Expire(ctx)
}

// queue asks JOBS for a run.
type queue struct{ bus *natsx.Bus }

// Holds implements job.Queue.
func (q queue) Holds(ctx context.Context, run string) (bool, error) {
	return q.bus.QueuedRun(ctx, jobspec.JobRunFilter(run))
}
