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

// announceNow publishes the announcement, and answers ask if that is a request.
func (w *Worker) announceNow(ask *nats.Msg) {
	a := jobspec.Announcement{Worker: w.ID, At: time.Now().UTC()}
	for _, h := range w.Handlers {
		a.Bundles = append(a.Bundles, h.Bundle())
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
