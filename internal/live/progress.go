package live

import (
	"encoding/json"
	"strings"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
)

// Progress gives the last report of a run, if there was one lately.
func (h *Hub) Progress(run string) (jobspec.Progress, bool) { return h.progress.Get(run) }

func (h *Hub) hear(m *nats.Msg) {
	var p jobspec.Progress
	if err := json.Unmarshal(m.Data, &p); err != nil || p.Run == "" {
		return
	}
	old, ok := h.progress.Get(p.Run)
	if ok {
		switch {
		case old.Attempt > p.Attempt:
			return
		case old.Attempt == p.Attempt:
			// Another worker may have begun the attempt anew: readers see it grow
			// only, so they wait until it is further than the first one came.
			if p.Progress <= old.Progress && len(p.Partial) <= len(old.Partial) {
				return
			}
			grow(&p, old)
		case strings.HasPrefix(old.Partial, p.Partial):
			// A later attempt goes on, or makes the same again: readers don't see less of
			// it either. One with another text begins anew before their eyes.
			grow(&p, old)
		}
	}
	h.keep(p, old)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.subscribers[p.Run] {
		s.progress(p)
	}
}

// grow makes a report no less than the one before it.
func grow(p *jobspec.Progress, old jobspec.Progress) {
	p.Progress = max(p.Progress, old.Progress)
	if len(p.Partial) < len(old.Partial) {
		p.Partial = old.Partial
	}
	if p.Preview == nil {
		p.Preview = old.Preview
	}
}

// keep remembers a report in place of the run's last one.
func (h *Hub) keep(p, old jobspec.Progress) {
	h.progress.Add(p.Run, p)
	h.partial.Add(sizeOf(p) - sizeOf(old))
	for h.partial.Load() > h.maxPartial && h.progress.Len() > 1 {
		h.progress.RemoveOldest()
	}
}

// sizeOf is what a report takes in memory, but for what all take.
func sizeOf(p jobspec.Progress) int64 { return int64(len(p.Partial) + len(p.Preview)) }
