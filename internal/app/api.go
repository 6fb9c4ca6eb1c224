package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"parley/graph"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/jobspec"
	"parley/internal/lifecycle"
	"parley/internal/natsx"
	"parley/internal/outbox"
	"parley/internal/server"
	"parley/internal/server/pages"
	"parley/internal/store"
	"parley/internal/tenor"
	"parley/worker"
)

// Options are what a caller may add to a process.
type Options struct {
	Version string
	// Listening is told the address once requests are answered.
	Listening func(address string)
	// Handlers do the work in the process instead of the models; benchmarks of
	// the engine give handlers that cost nothing.
	Handlers []worker.Handler
	// MaxTime is how long an operation other than a subscription may take; 30
	// seconds when it is 0.
	MaxTime time.Duration
}

// RunAPI runs an API process, with a worker in it when the mode is Serve,
// until ctx ends.
func RunAPI(ctx context.Context, cfg *config.Config, mode Mode, o Options) error {
	p, err := openAPI(ctx, cfg, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err := p.Close(); err != nil {
			slog.Warn("not everything could be closed", "error", err)
		}
	}()
	return p.run(ctx, o)
}

// run starts what the process is made of and stops it when ctx ends.
func (p *parts) run(ctx context.Context, o Options) error {
	group := lifecycle.Group{Grace: p.cfg.Grace}
	if p.embedded != nil {
		group.Add("embedded NATS", p.embedded)
		// The connection ends before its server, which it would otherwise miss.
		group.Add("NATS connection", lifecycle.Func(func(ctx context.Context) error {
			<-ctx.Done()
			p.bus.Close()
			return nil
		}))
	}
	group.Add("recorder", &outbox.Recorder{Jobs: p.jobs, Workers: p.workers, Outbox: p.outbox, Bus: p.bus})
	relay := p.relay()
	group.Add("relay", relay)
	group.Add("live hub", p.hub)
	p.addIndexing(&group)
	p.addSearch(&group)
	group.Add("counts of searches", p.feedback)
	group.Add("janitor", &store.Janitor{Store: p.store})
	if p.mode == Serve && p.cfg.Demo == "on" {
		group.Add("demo stickers", lifecycle.Func(p.fillDemo))
		group.Add("demo posts", lifecycle.Func(p.fillPosts))
	}
	if p.mode == Serve {
		stop, err := p.addWorker(ctx, &group, relay, o.Handlers)
		if err != nil {
			return err
		}
		defer stop()
	}
	s, err := p.server(ctx, o)
	if err != nil {
		return err
	}
	group.Add("HTTP server", s)
	group.Add("connections", lifecycle.Func(s.RunConnections))
	// Added last, so that it is the first to stop.
	group.Add("draining", lifecycle.Func(func(ctx context.Context) error {
		<-ctx.Done()
		s.Drain()
		return nil
	}))
	releaseMemory()
	slog.Info("parley is ready", "address", "http://"+s.Addr(), "took", time.Since(p.started).Round(time.Millisecond),
		"database", p.store.Describe(), "nats", p.describeNATS(), "cache", p.describeCache())
	if o.Listening != nil {
		o.Listening(s.Addr())
	}
	return group.Run(ctx)
}

// addWorker puts the worker into the process, or into one of its own. Without a usable
// model, and without a folder that one could be pulled into, the API works alone and jobs
// wait.
func (p *parts) addWorker(ctx context.Context, group *lifecycle.Group, relay *outbox.Relay, handlers []worker.Handler) (stop func(), err error) {
	if handlers != nil {
		w, err := newWorker(p.cfg, p.bus, worker.Config{Handlers: handlers})
		if err != nil {
			return nil, err
		}
		group.Add("worker", w)
		return func() {}, nil
	}
	if p.cfg.Worker == "child" {
		c, err := newChild(p.cfg, p.natsURL(), relay.Lost)
		if err != nil {
			return nil, err
		}
		group.Add("worker's process", c)
		return func() {}, nil
	}
	f, err := openFolder(ctx, p.cfg)
	if err != nil {
		slog.Error("there is no worker in this process, jobs wait for another one", "reason", err)
		return func() {}, nil
	}
	if err := addFolder(p.cfg, p.bus, f, group); err != nil {
		closeFolder(f)
		return nil, err
	}
	return func() { closeFolder(f) }, nil
}

// natsURL is where another process of this machine reaches NATS.
func (p *parts) natsURL() string {
	if p.embedded != nil {
		return p.embedded.URL()
	}
	return p.cfg.NATSURL
}

func (p *parts) relay() *outbox.Relay {
	return &outbox.Relay{
		Store: p.store, Log: p.log, Jobs: p.jobs, Outbox: p.outbox, Bus: p.bus, Waker: p.waker, Invalidate: p.domains.Invalidate,
		Expire: p.domains.Expire,
		Config: outbox.Config{RescueEvery: p.cfg.AckWait},
	}
}

func (p *parts) server(ctx context.Context, o Options) (*server.Server, error) {
	p.metrics.observe(p)
	return server.New(ctx, server.Config{
		Listen: p.cfg.Listen, Origins: p.cfg.AllowedOrigins(p.mode == Serve), Introspection: p.cfg.Introspection == "on",
		Resolver: &graph.Resolver{
			AccountService: p.accounts, NoteService: p.notes, JobService: p.jobs, PracticeService: p.practice,
			DialogService: p.dialogs, AuditLog: p.audits, CatalogService: p.catalog, MediaService: p.media, StickerService: p.stickers, ContentService: p.content, IndexingService: p.indexing, FeedbackService: p.feedback, SearchService: p.search, FeedService: p.feed, Domains: p.domains, Hub: p.hub, Streams: p.streams, Readers: p.readers,
		},
		Verify: p.accounts.Verify, Confirm: p.accounts.Confirm, DraftStatus: p.cfg.HTTPStatus == "draft", Ready: p.ready, Metrics: p.metrics.handler(), Hooks: p.metrics.hooks(),
		Tenor:       tenor.New(tenor.Config{Verify: p.accounts.Verify, Search: p.search, Feedback: p.feedback}),
		StreamHooks: p.metrics.live.hooks(), Bus: p.sharedBus(), MaxConnections: p.cfg.MaxConnections, Grace: p.cfg.Grace, MaxTime: o.MaxTime,
		Status: func(ctx context.Context) pages.Status { return p.status(ctx, o.Version) },
	})
}

// sharedBus is nil where there can be no other process.
func (p *parts) sharedBus() *natsx.Bus {
	if p.embedded != nil {
		return nil
	}
	return p.bus
}

func (p *parts) ready(ctx context.Context) error {
	if err := p.store.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	return p.bus.Ready()
}

func (p *parts) describeNATS() string {
	if p.embedded != nil {
		return "embedded"
	}
	return natsx.Redact(p.cfg.NATSURL)
}

func (p *parts) describeCache() string {
	if p.noteCache() == nil {
		return "off"
	}
	return p.cache.Describe()
}

func (p *parts) status(ctx context.Context, version string) pages.Status {
	st := pages.Status{
		Version: version, Mode: string(p.mode), Database: p.store.Describe(), NATS: p.describeNATS(),
		Cache: p.describeCache(), Started: p.started,
	}
	workers, err := p.workers.Workers(auth.System(ctx, "app.status"))
	if err != nil {
		slog.WarnContext(ctx, "the start page shows no workers", "error", err)
	}
	for _, w := range workers {
		if w.Alive() {
			models := slices.DeleteFunc(slices.Clone(w.Bundles), func(b jobspec.Bundle) bool {
				return b.Kind == jobspec.KindPullModel || b.Kind == jobspec.KindRemoveModel
			})
			st.Workers = append(st.Workers, jobspec.Announcement{Worker: w.ID, At: w.SeenAt, Bundles: models})
		}
	}
	return st
}
