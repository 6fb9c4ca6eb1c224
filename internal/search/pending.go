package search

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Watch has changed called with the id of each thing that changes, and lost whenever
// such a change may have been missed, until stop.
type Watch func(changed func(id string), lost func()) (stop func())

// follow reads anew what changes, until ctx ends: at the beginning all. read is given the
// ids of what changed, or that it may be anything; it is called until it succeeds. Changes
// wait for others so that reading takes a tenth of the time, but not longer than most.
func (w Watch) follow(ctx context.Context, what string, most time.Duration, read func(ctx context.Context, ids []string, all bool) error) error {
	p := newPending()
	defer w(p.add, p.lose)()
	p.lose()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.news:
		}
		ids, all := p.take()
		begun := time.Now()
		err := read(ctx, ids, all)
		for err != nil && ctx.Err() == nil {
			slog.Error("what is searched could not be brought up to date in memory, it is tried again", "what", what, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			err = read(ctx, ids, all)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(9*time.Since(begun), most)):
		}
	}
}

// maxPending is from how many changes on everything is read anew.
const maxPending = 10_000

// pending gathers what changed while a reading is under way.
type pending struct {
	mu   sync.Mutex
	ids  map[string]bool
	all  bool
	news chan struct{}
}

func newPending() *pending { return &pending{ids: map[string]bool{}, news: make(chan struct{}, 1)} }

func (p *pending) add(id string) {
	p.mu.Lock()
	if len(p.ids) >= maxPending {
		p.all, p.ids = true, map[string]bool{}
	}
	if !p.all {
		p.ids[id] = true
	}
	p.mu.Unlock()
	p.tell()
}

func (p *pending) lose() {
	p.mu.Lock()
	p.all, p.ids = true, map[string]bool{}
	p.mu.Unlock()
	p.tell()
}

func (p *pending) tell() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// take gives what changed since the last call; all says that it may be anything.
func (p *pending) take() (ids []string, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.ids {
		ids = append(ids, id)
	}
	all = p.all
	p.ids, p.all = map[string]bool{}, false
	return ids, all
}
