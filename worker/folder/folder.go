// Package folder is a worker's models folder while the worker runs: what is in it is
// served and announced, and models are pulled into it and removed from it as jobs.
package folder

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/worker"
	"parley/worker/hub"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// Config describes a Folder.
type Config struct {
	// Models is the folder; it is made where it is missing.
	Models string
	// Options are those of the models.
	Options pipeline.Options
	// From is where models are pulled from, as hub.Options says, and Token goes to the
	// hub's own host. Both are the operator's alone.
	From, Token string
	// Every is how often the folder is looked at; 0 is jobspec.AnnounceInterval.
	Every time.Duration
}

// Folder keeps a worker's handlers what its models folder has. Make it with Open, give
// it the worker with Attach, and run it beside the worker.
type Folder struct {
	Config
	set      *model.Set
	id       string
	writable bool

	worker *worker.Worker
	bus    *natsx.Bus
	// refreshing makes each change of the folder one of the handlers too.
	refreshing sync.Mutex
	// closing are models that are given back when their tasks have ended.
	closing sync.WaitGroup
}

// Open looks for the folder and opens the models that are in it. It fails when there is
// no usable model and the folder can't be written either, so that none could come.
func Open(ctx context.Context, c Config) (*Folder, error) {
	if c.Every <= 0 {
		c.Every = jobspec.AnnounceInterval
	}
	f := &Folder{Config: c, set: model.New(c.Models, c.Options)}
	var err error
	if f.id, f.writable, err = identify(c.Models); err != nil {
		slog.Info("models can't be pulled into the folder or removed from it", "folder", c.Models, "reason", err)
	}
	f.set.Refresh(ctx)
	if unusable := f.set.Usable(); unusable != nil {
		if !f.writable {
			return nil, unusable
		}
		slog.Warn("there is no model that can be used yet: jobs wait until one is pulled", "folder", c.Models)
	}
	return f, nil
}

// Attach makes w serve what the folder has. It is called once, before either runs.
func (f *Folder) Attach(w *worker.Worker) error {
	f.worker, f.bus = w, w.Bus
	all := f.set.Handlers()
	if f.writable {
		all = append(all, puller{f}, remover{f})
	}
	for _, h := range all {
		if err := w.Serve(h); err != nil {
			return err
		}
	}
	return nil
}

// Names are those of the models that are served.
func (f *Folder) Names() []string { return f.set.Names() }

// Describe is what the worker announces of the folder.
func (f *Folder) Describe() *jobspec.Folder {
	d := &jobspec.Folder{ID: f.id, Writable: f.writable}
	d.Models, d.More = f.set.Describe()
	return d
}

// Run follows the folder until ctx ends: it looks at it now and then, and when another
// worker says that it has changed it.
func (f *Folder) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	sub, err := f.bus.Conn().Subscribe(jobspec.FolderSubject(f.id), func(m *nats.Msg) {
		if string(m.Data) == f.worker.ID {
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("listen for changes of the models folder: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	for {
		f.refresh(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// deaf is how long Close waits for tasks of models that are gone.
const deaf = 5 * time.Second

// Close gives the models back, after the worker has ended. A task that does not stop
// keeps its model until the process ends.
func (f *Folder) Close() error {
	closed := make(chan struct{})
	go func() {
		f.closing.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(deaf):
		slog.Warn("tasks of models that are gone do not stop")
	}
	return f.set.Close()
}

// refresh makes the worker serve what the folder has now, and announces it when that is
// something else than before.
func (f *Folder) refresh(ctx context.Context) {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	if ctx.Err() != nil {
		return
	}
	change := f.set.Refresh(ctx)
	for _, m := range change.Gone {
		f.giveUp(m)
	}
	for _, m := range change.Opened {
		for _, h := range m.Handlers {
			if err := f.worker.Serve(h); err != nil {
				slog.Error("a model is not served", "model", h.Bundle().Name, "error", err)
			}
		}
	}
	if change.Any {
		slog.Info("the models folder has changed", "folder", f.Models, "models", f.Names())
		f.worker.Announce()
	}
}

// giveUp closes a model once the tasks that it has are done.
func (f *Folder) giveUp(m model.Model) {
	var ends []<-chan struct{}
	for _, h := range m.Handlers {
		ends = append(ends, f.worker.Withdraw(h))
	}
	f.closing.Go(func() {
		for _, end := range ends {
			<-end
		}
		if err := m.Close(); err != nil {
			slog.Warn("close a model", "error", err)
		}
	})
}

// changed follows a change that this worker made, tells the others of the folder, and
// gives the result of the job.
func (f *Folder) changed(ctx context.Context) jobspec.FolderChanged {
	// What has been changed is followed, whether or not anybody waits for it still.
	f.refresh(context.WithoutCancel(ctx))
	// The time comes before what the worker says of itself from now on.
	result := jobspec.FolderChanged{Worker: f.worker.ID, At: time.Now().UTC(), Folder: *f.Describe()}
	if err := f.bus.Conn().Publish(jobspec.FolderSubject(f.id), []byte(f.worker.ID)); err != nil {
		slog.Warn("other workers were not told of the change, they see it by themselves", "error", err)
	}
	f.worker.Announce()
	return result
}

// path is where a bundle is.
func (f *Folder) path(name string) string { return filepath.Join(f.Models, name) }

// options are those of a pull into the folder.
func (f *Folder) options(p jobspec.PullModel, told func(hub.Progress)) hub.Options {
	owner, name := split(p.Repository)
	return hub.Options{
		Models: f.Models, From: f.From, Token: f.Token, As: p.Name, Precision: p.Precision, Replace: p.Replace, Progress: told,
		Repository: hub.Repository{Owner: owner, Name: name, Revision: p.Revision},
	}
}
