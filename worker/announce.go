package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
)

// announce tells what the worker can do, now and every 10 seconds, until ctx ends.
func (w *Worker) announce(ctx context.Context) {
	tick := time.NewTicker(jobspec.AnnounceInterval)
	defer tick.Stop()
	for {
		w.announceNow(nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.flags.forget(time.Now().Add(-flagAge))
		}
	}
}

// Announce tells what the worker can do, at once: something has changed.
func (w *Worker) Announce() { w.announceNow(nil) }

// announceNow publishes the announcement, and answers ask if that is a request.
func (w *Worker) announceNow(ask *nats.Msg) {
	a := jobspec.Announcement{Worker: w.ID, At: time.Now().UTC(), Bundles: w.bundles()}
	if w.Folder != nil {
		a.Folder = w.Folder()
	}
	data, err := json.Marshal(a)
	if err == nil {
		err = w.Bus.Conn().Publish(jobspec.SubjectAnnounce, data)
	}
	if err == nil && ask != nil && ask.Reply != "" {
		err = ask.Respond(data)
	}
	if err != nil {
		w.Logger.Warn("the worker could not announce itself", "error", err)
	}
}
