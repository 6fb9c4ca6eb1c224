package worker

import (
	"context"
	"encoding/json"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"parley/internal/jobspec"
)

// progress tells how far a task has come, at most once per
// jobspec.MinProgressInterval. What a handler keeps is stored first and told
// afterwards, so that another attempt, which goes on from what is stored, never falls
// behind what was told.
type progress struct {
	task *task

	mu      sync.Mutex
	latest  jobspec.Progress
	unsent  bool
	closed  bool
	sentAt  time.Time
	pending *time.Timer
	// kept is what is to be stored before the latest word; unstored tells that it is
	// not yet, busy that a goroutine is at it. keeps says that there ever was something,
	// stored that it was to be stored.
	kept           any
	unstored, busy bool
	keeps, stored  bool
	storing        sync.WaitGroup
}

// keep takes what another attempt needs to go on from here; the next update tells of it.
func (p *progress) keep(record any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.keeps {
		// A task that ends at once is not worth storing.
		p.keeps, p.sentAt = true, time.Now()
	}
	p.kept, p.unstored = record, true
}

// show takes a preview; the next update tells of it.
func (p *progress) show(preview []byte) {
	if len(preview) > jobspec.MaxPreview {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest.Preview = preview
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
	p.plan()
}

// plan sends the latest word now or later. Holds mu.
func (p *progress) plan() {
	wait := jobspec.MinProgressInterval - time.Since(p.sentAt)
	switch {
	case p.busy || p.pending != nil:
	case wait <= 0:
		p.send()
	default:
		p.pending = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.pending = nil
			p.send()
		})
	}
}

// close sends what is still held back, but for what would have to be stored: the
// result is better. Later words are ignored. It returns when nothing is being stored
// any more.
func (p *progress) close() {
	p.mu.Lock()
	if p.pending != nil {
		p.pending.Stop()
	}
	if !p.unstored && !p.busy {
		p.send()
	}
	p.closed = true
	p.mu.Unlock()
	p.storing.Wait()
}

// send publishes the latest word, where needed after what goes with it was stored.
// Holds mu.
func (p *progress) send() {
	if !p.unsent || p.closed || p.task.ctx.Err() != nil {
		return
	}
	p.unsent, p.sentAt = false, time.Now()
	if !p.unstored {
		p.publish(p.latest)
		return
	}
	p.unstored, p.busy, p.stored = false, true, true
	word, record := p.latest, p.kept
	p.storing.Go(func() {
		p.task.store(record)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy = false
		if p.closed {
			return
		}
		p.publish(word)
		if p.unsent {
			p.plan()
		}
	})
}

func (p *progress) publish(word jobspec.Progress) {
	word.Run, word.Attempt = p.task.job.Run, p.task.job.Attempt
	data, err := json.Marshal(word)
	if err == nil {
		err = p.task.worker.Bus.Conn().Publish(jobspec.ProgressSubject(word.Run), data)
	}
	if err != nil {
		p.task.worker.Logger.Debug("progress was not sent", "run", word.Run, "error", err)
	}
}

// recordLimit is how long a call for a record may take: the work does not depend on it.
const recordLimit = 2 * time.Second

// store keeps a record for other attempts. Without it they begin anew.
func (t *task) store(record any) {
	ctx, end := context.WithTimeout(t.ctx, recordLimit)
	defer end()
	data, err := json.Marshal(record)
	if err == nil {
		err = t.worker.Bus.PutRecord(ctx, t.job.Run, jobspec.Record{Kind: t.job.Kind, Pool: t.job.Pool, Data: data})
	}
	if err != nil && t.ctx.Err() == nil {
		t.worker.Logger.Warn("how far a task has come was not stored", "run", t.job.Run, "error", err)
	}
}

// recorded gives what an attempt before this one kept, nil when there was none or
// nothing is left of it.
func (t *task) recorded() json.RawMessage {
	if !t.again && t.job.Attempt == 1 {
		return nil
	}
	ctx, end := context.WithTimeout(t.ctx, recordLimit)
	defer end()
	r, ok, err := t.worker.Bus.Record(ctx, t.job.Run)
	if err != nil && t.ctx.Err() == nil {
		t.worker.Logger.Warn("what an attempt before kept can't be read, the work begins anew", "run", t.job.Run, "error", err)
	}
	if !ok || r.Kind != t.job.Kind || r.Pool != t.job.Pool {
		return nil
	}
	return r.Data
}

// forget drops what was kept of a run that needs no other attempt.
func (t *task) forget() {
	ctx, end := context.WithTimeout(context.WithoutCancel(t.ctx), recordLimit)
	defer end()
	if err := t.worker.Bus.DropRecord(ctx, t.job.Run); err != nil {
		t.worker.Logger.Debug("what was kept of a run was not dropped", "run", t.job.Run, "error", err)
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
