package worker

import (
	"encoding/json"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"parley/internal/jobspec"
)

// progress sends how far a task has come on core NATS, at most once per
// jobspec.MinProgressInterval; the last word always goes out, before the result.
type progress struct {
	task *task

	mu      sync.Mutex
	latest  jobspec.Progress
	unsent  bool
	closed  bool
	sentAt  time.Time
	pending *time.Timer
}

// update takes a handler's word. Share and text only grow.
func (p *progress) update(share float64, partial string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if !math.IsNaN(share) {
		p.latest.Progress = min(max(p.latest.Progress, share, 0), 1)
	}
	if len(partial) >= len(p.latest.Partial) {
		p.latest.Partial = clip(partial)
	}
	p.unsent = true
	wait := jobspec.MinProgressInterval - time.Since(p.sentAt)
	switch {
	case wait <= 0:
		p.send()
	case p.pending == nil:
		p.pending = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.pending = nil
			p.send()
		})
	}
}

// close sends what is still held back. Later words are ignored.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending != nil {
		p.pending.Stop()
	}
	p.send()
	p.closed = true
}

// send publishes the latest word. Holds mu.
func (p *progress) send() {
	if !p.unsent || p.closed || p.task.ctx.Err() != nil {
		return
	}
	p.unsent, p.sentAt = false, time.Now()
	p.latest.Run, p.latest.Attempt = p.task.job.Run, p.task.job.Attempt
	data, err := json.Marshal(p.latest)
	if err == nil {
		err = p.task.worker.Bus.Conn().Publish(jobspec.ProgressSubject(p.latest.Run), data)
	}
	if err != nil {
		p.task.worker.Logger.Debug("progress was not sent", "run", p.latest.Run, "error", err)
	}
}

// clip cuts a text to jobspec.MaxPartial bytes, between two characters.
func clip(text string) string {
	if len(text) <= jobspec.MaxPartial {
		return text
	}
	end := jobspec.MaxPartial
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
