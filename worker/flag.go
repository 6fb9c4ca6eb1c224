package worker

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
)

// flagAge is how long a flag is remembered: as long as the bucket does.
const flagAge = 24 * time.Hour

// flags is what the worker has heard of runs that have a flag. It only says which runs
// are worth a look in the bucket, so that a start costs no call otherwise.
type flags struct {
	mu   sync.Mutex
	runs map[string]time.Time
}

func newFlags() *flags { return &flags{runs: map[string]time.Time{}} }

func (f *flags) set(run string, flag jobspec.Flag) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if flag != jobspec.FlagNone {
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

// flagMessage handles ctl.cancel.<run>.
func (w *Worker) flagMessage(m *nats.Msg) {
	run := strings.TrimPrefix(m.Subject, jobspec.CancelSubject(""))
	flag := jobspec.Flag(m.Data)
	w.flags.set(run, flag)
	if t := w.runs.get(run); t != nil {
		t.obey(flag)
	}
}

// flagged handles a change of the bucket. It may come late, when the run was
// restored and runs again: so a running task looks for itself.
func (w *Worker) flagged(run string, flag jobspec.Flag) {
	w.flags.set(run, flag)
	if t := w.runs.get(run); flag != jobspec.FlagNone && t != nil {
		t.later(t.checkFlag)
	}
}

// flagBefore gives the flag that the run had before it began here.
func (w *Worker) flagBefore(ctx context.Context, run string) jobspec.Flag {
	if !w.flags.has(run) {
		return jobspec.FlagNone
	}
	ctx, end := context.WithTimeout(ctx, 2*time.Second)
	defer end()
	flag, err := w.Bus.RunFlag(ctx, run)
	if err != nil {
		w.Logger.Warn("the flag of a run can't be read, the run begins", "run", run, "error", err)
		return jobspec.FlagNone
	}
	w.flags.set(run, flag)
	return flag
}

// obey does what a flag says.
func (t *task) obey(flag jobspec.Flag) {
	switch flag {
	case jobspec.FlagCancelled:
		t.cancel(errCancelled)
	case jobspec.FlagStopped:
		t.stopOnce.Do(func() { close(t.stopped) })
	case jobspec.FlagNone:
	}
}
