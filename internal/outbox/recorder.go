package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// Recorder takes what workers report to the job engine, all that waits in one
// transaction, and keeps their announcements. Every API process runs one.
type Recorder struct {
	Jobs *job.Service
	// Workers keeps what workers announce, and Outbox what waits for one.
	Workers *directory.Directory
	Outbox  *dispatch.Outbox
	Bus     *natsx.Bus
}

// Run records until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	announced := make(chan jobspec.Announcement, 64)
	sub, err := r.Bus.Conn().Subscribe(jobspec.SubjectAnnounce, func(m *nats.Msg) {
		var a jobspec.Announcement
		if err := json.Unmarshal(m.Data, &a); err != nil || a.Worker == "" {
			slog.Warn("an announcement could not be read", "error", err)
			return
		}
		select {
		case announced <- a:
		default: // the worker says it again in a moment
		}
	})
	if err != nil {
		return fmt.Errorf("listen for workers: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := r.Bus.Conn().Publish(jobspec.SubjectAnnouncePlease, nil); err != nil {
		slog.Debug("the workers were not asked, they announce themselves", "error", err)
	}
	var keeping sync.WaitGroup
	defer keeping.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	keeping.Go(func() { r.keepAnnouncements(ctx, announced) })
	return r.Bus.ConsumeResults(ctx, r.Jobs.Record)
}

// keepAnnouncements keeps what workers say, and tells of those that say nothing any more.
func (r *Recorder) keepAnnouncements(ctx context.Context, announced <-chan jobspec.Announcement) {
	tick := time.NewTicker(jobspec.AnnounceInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.Workers.Sweep(ctx); err != nil && ctx.Err() == nil {
				slog.Error("workers that are gone could not be told", "error", err)
			}
		case a := <-announced:
			err := r.Workers.Announce(ctx, a)
			if err == nil {
				err = r.Outbox.Release(ctx)
			}
			if err != nil && ctx.Err() == nil {
				slog.Error("an announcement could not be kept", "worker", a.Worker, "error", err)
			}
		}
	}
}
