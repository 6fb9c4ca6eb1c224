// Package app wires the rooms into the processes that the binary can be: serve
// (everything in one), api, worker.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"parley/internal/account"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/catalog"
	"parley/internal/config"
	"parley/internal/content"
	"parley/internal/dialog"
	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/domain"
	"parley/internal/embedding"
	"parley/internal/event"
	"parley/internal/feed"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/media"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/practice"
	"parley/internal/querytext"
	"parley/internal/resume"
	"parley/internal/search"
	"parley/internal/sticker"
	"parley/internal/store"
)

// Mode is what a process is.
type Mode string

// The modes.
const (
	Serve Mode = "serve"
	API   Mode = "api"
)

// parts is what an API process is made of. Its fields are closed in the
// reverse order in which they were opened.
type parts struct {
	mode     Mode
	cfg      *config.Config
	started  time.Time
	store    *store.Store
	cache    cache.Cache
	embedded *natsx.Embedded
	bus      *natsx.Bus
	log      *event.Log
	waker    *outbox.Waker
	tokens   *auth.Tokens
	workers  *directory.Directory
	vectors  *embedding.Client
	texts    *querytext.Client
	jobs     *job.Service
	outbox   *dispatch.Outbox
	notes    *note.Service
	practice *practice.Service
	dialogs  *dialog.Service
	audits   *audit.Log
	catalog  *catalog.Service
	media    *media.Service
	stickers *sticker.Service
	content  *content.Service
	indexing *indexing.Service
	follower *indexing.Follower
	queries  *search.Queries
	search   *search.Service
	feedback *feedback.Service
	feed     *feed.Service
	domains  *domain.Set
	metrics  *metrics
	accounts *account.Service
	hub      *live.Hub
	streams  *live.Streams
	readers  *resume.Book
	closers  []func() error
}

func (p *parts) onClose(f func() error) { p.closers = append(p.closers, f) }

// Close gives back what the process opened.
func (p *parts) Close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	return errors.Join(errs...)
}

// openData opens database and event log.
func openData(ctx context.Context, cfg *config.Config, mode Mode) (*parts, error) {
	p := &parts{mode: mode, cfg: cfg, started: time.Now()}
	if cfg.DatabaseURL == "" && mode == API {
		return nil, errors.New("api needs a database that all processes share: set DATABASE_URL to a postgres:// URL, or run `parley serve`")
	}
	var err error
	p.store, err = store.Open(ctx, store.Config{URL: cfg.Database(), FullSync: cfg.SQLiteSync == "full", MaxConns: cfg.DBConns})
	if err != nil {
		return nil, err
	}
	p.onClose(p.store.Close)
	if cfg.Migrates(mode == Serve) {
		applied, err := p.store.Migrate(ctx)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		if len(applied) > 0 {
			slog.Info("database migrated", "database", p.store.Describe(), "versions", applied)
		}
	} else if err := p.store.CheckMigrated(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if p.log, err = event.Open(ctx, p.store); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// openAPI opens everything that an API process needs.
func openAPI(ctx context.Context, cfg *config.Config, mode Mode) (*parts, error) {
	p, err := openData(ctx, cfg, mode)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{p.openBus, p.openCache, p.openServices} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

func (p *parts) openBus(ctx context.Context) error {
	bus, embedded, err := openBus(ctx, p.cfg, p.mode)
	if err != nil {
		return err
	}
	p.bus, p.embedded = bus, embedded
	if embedded != nil {
		p.onClose(func() error { embedded.Close(); return nil })
	}
	p.onClose(func() error { bus.Close(); return nil })
	return bus.EnsureStreams(ctx)
}

func (p *parts) openCache(ctx context.Context) error {
	if p.cfg.RedisURL != "" {
		redis, err := cache.OpenRedis(ctx, p.cfg.RedisURL)
		if err != nil {
			return err
		}
		p.cache = redis
	} else {
		p.cache = cache.NewMemory(p.cfg.CacheMB << 20)
	}
	p.onClose(p.cache.Close)
	return nil
}

// noteCache is nil where another process could change a note without this
// one's memory noticing.
func (p *parts) noteCache() cache.Cache {
	if p.mode == API && p.cfg.RedisURL == "" {
		return nil
	}
	return p.cache
}

func (p *parts) openServices(ctx context.Context) error {
	shared := p.bus
	if !p.store.Postgres() {
		shared = nil // one process: its own relay leads
	}
	p.waker = outbox.NewWaker(shared)
	p.log.OnCommit(p.waker.Wake)
	if err := p.openDomains(ctx); err != nil {
		return err
	}
	p.outbox = dispatch.New(p.store, p.log, p.jobs, p.workers)
	var err error
	p.vectors, err = embedding.New(embedding.Config{
		Ask: p.bus.Ask, Bundles: p.workers.Living, Cache: p.cache, Deadline: p.cfg.QueryDeadline, Observe: p.metrics.observeVector,
	})
	if err != nil {
		return err
	}
	p.texts, err = querytext.New(querytext.Config{Ask: p.bus.Ask, Bundles: p.workers.Living, Cache: p.cache, Deadline: p.cfg.QueryDeadline})
	if err != nil {
		return err
	}
	p.search.Embed, p.search.Texts = p.vectors, p.texts
	p.content.Ask = p.bus.Ask
	if p.hub, err = live.NewHub(p.log, p.bus, p.domains); err != nil {
		return err
	}
	p.streams, err = live.NewStreams(live.Config{
		Hub: p.hub, Log: p.log, Book: p.readers, Jobs: p.jobs, Domains: p.domains, Observe: p.metrics.live.observer(),
	})
	if err != nil {
		return err
	}
	_, err = p.workers.Workers(ctx)
	return err
}

// openDomains opens every domain, for which database, event log and cache are
// enough.
func (p *parts) openDomains(ctx context.Context) error {
	key, err := signingKey(p.cfg)
	if err != nil {
		return err
	}
	if p.tokens, err = auth.NewTokens(key, p.cfg.AccessLifetime); err != nil {
		return err
	}
	p.metrics = newMetrics()
	observe := p.metrics.observeFlush
	p.workers = directory.New(p.store)
	p.jobs = job.New(p.store, p.log, p.workers, job.Config{
		MaxAttempts: p.cfg.MaxAttempts, MaxPerUser: p.cfg.JobsPerUser, RetryBase: p.cfg.RetryBase, Lost: 3 * p.cfg.AckWait,
	})
	p.notes = note.New(p.store, p.log, p.jobs, p.workers, p.noteCache())
	p.catalog = catalog.New(p.store, p.log, p.jobs, p.workers)
	p.practice = practice.New(p.store, p.log, observe)
	p.audits = audit.New(p.store, p.cfg.AuditKeep, observe)
	p.dialogs = dialog.New(p.store, p.log, p.audits, dialog.Config{Expiry: p.cfg.DialogExpiry, Observe: observe})
	p.accounts, err = account.New(ctx, p.store, p.log, p.tokens, p.cache, account.Config{RefreshLifetime: p.cfg.RefreshLifetime})
	if err != nil {
		return err
	}
	bucket, err := media.OpenBucket(ctx, p.cfg.Media())
	if err != nil {
		return err
	}
	p.onClose(bucket.Close)
	p.media = media.New(p.store, p.log, p.tokens, bucket)
	p.stickers = sticker.New(p.store, p.log, p.media)
	p.content = content.New(p.store, p.log, p.jobs, p.workers, p.media, content.Config{
		TextModel: p.cfg.TextModel, ImageModel: p.cfg.ImageModel, Unmarked: p.cfg.MediaMark == "off",
	})
	p.feed = feed.New(p.store, p.log, p.media, feed.Config{Timeline: p.cfg.FeedTimeline, Fanout: p.cfg.FeedFanout})
	p.feed.Made = func(ctx context.Context, request string) (feed.Made, error) {
		text, image, err := p.content.Result(ctx, request)
		return feed.Made{Text: text, ImageID: image}, err
	}
	p.feedback = feedback.New(p.store, p.log, p.tokens, p.cache, feedback.Config{
		Anonymous: p.cfg.AnonymousSearch == "on", SearchRate: p.cfg.SearchRate, FeedbackRate: p.cfg.FeedbackRate, AnonymousRate: p.cfg.AnonymousRate,
		Keep: p.cfg.SearchKeep, Observe: observe,
	})
	if err := p.openIndexing(ctx); err != nil {
		return err
	}
	p.openSearch()
	p.readers = resume.NewBook(p.store, p.log, resume.Config{Observe: observe})
	return p.announce()
}

// releaseMemory gives the system back what starting took up and what is needed no more: the
// parsed files of the models, and the memory of the hash that account.New makes, 19 MiB. Go
// gives it back by and by otherwise, and holds on to what lies within its goal for the heap.
// It collects garbage once, so it is for the end of a start alone.
func releaseMemory() { debug.FreeOSMemory() }

func openBus(ctx context.Context, cfg *config.Config, mode Mode) (*natsx.Bus, *natsx.Embedded, error) {
	options := natsx.Options{Name: "parley " + string(mode)}
	if !cfg.EmbeddedNATS() {
		bus, err := natsx.Connect(ctx, cfg.NATSURL, options)
		return bus, nil, err
	}
	if mode != Serve {
		return nil, nil, fmt.Errorf("%s needs a NATS that all processes share: set NATS_URL to a nats:// URL, or run `parley serve`", mode)
	}
	server := natsx.EmbeddedConfig{Dir: cfg.Data + "/nats"}
	if cfg.Worker == "child" {
		// Only this machine, and only who knows the token, which the child is told.
		server.Listen, server.Token = "127.0.0.1:0", rand.Text()
	}
	embedded, err := natsx.StartEmbedded(server)
	if err != nil {
		return nil, nil, err
	}
	bus, err := embedded.Connect(options)
	if err != nil {
		embedded.Close()
		return nil, nil, err
	}
	return bus, embedded, nil
}
