package worker

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
)

// flagAge is how long a cancellation is remembered: as long as the bucket does.
const flagAge = 24 * time.Hour

// flags is what the worker has heard of cancelled runs. It only says which runs
// are worth a look in the bucket, so that a start costs no call otherwise.
type flags struct {
	mu   sync.Mutex
	runs map[string]time.Time
}

func newFlags() *flags { return &flags{runs: map[string]time.Time{}} }

func (f *flags) set(run string, cancelled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cancelled {
		f.runs[run] = time.Now()
	} else {
		delete(f.runs, run)
	}
}

func (f *flags) has(run string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, found := f.runs[run]
	return found
}

// forget drops what the bucket has dropped.
func (f *flags) forget(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for run, at := range f.runs {
		if at.Before(before) {
			delete(f.runs, run)
		}
	}
}

// cancelMessage handles ctl.cancel.<run>.
func (w *Worker) cancelMessage(m *nats.Msg) {
	run := strings.TrimPrefix(m.Subject, jobspec.CancelSubject(""))
	w.flags.set(run, true)
	if t := w.runs.get(run); t != nil {
		t.cancel(errCancelled)
	}
}

// flagged handles a change of the bucket. It may come late, when the run was
// restored and runs again: so a running task looks for itself.
func (w *Worker) flagged(run string, cancelled bool) {
	w.flags.set(run, cancelled)
	if t := w.runs.get(run); cancelled && t != nil {
		t.later(t.checkCancelled)
	}
}

// cancelledBefore tells whether the run was cancelled before it began here.
func (w *Worker) cancelledBefore(ctx context.Context, run string) bool {
	if !w.flags.has(run) {
		return false
	}
	ctx, end := context.WithTimeout(ctx, 2*time.Second)
	defer end()
	is, err := w.Bus.RunCancelled(ctx, run)
	if err != nil {
		w.Logger.Warn("a cancelled flag can't be read, the run begins", "run", run, "error", err)
		return false
	}
	w.flags.set(run, is)
	return is
}
