package live

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// pump runs a stream's steps while there is something to do. In between it has
// no goroutine: an idle subscription costs the one that waits for its messages.
type pump struct {
	// step hands on what there is and tells whether the stream goes on. It is
	// never called twice at a time.
	step func() bool
	// end is called once, after the last step.
	end func()

	mu    sync.Mutex
	state pumpState
}

type pumpState int

const (
	unborn pumpState = iota // before start
	idle
	running // a goroutine is in step
	again   // and step must be called once more
	over
)

// start makes the pump run now, and when ctx ends, so that it can end.
func (p *pump) start(ctx context.Context) {
	p.mu.Lock()
	p.state = running
	p.mu.Unlock()
	context.AfterFunc(ctx, p.wake)
	go p.run()
}

// wake makes the pump call step soon. It does not block.
func (p *pump) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state {
	case idle:
		p.state = running
		go p.run()
	case running:
		p.state = again
	}
}

func (p *pump) run() {
	for p.safely() {
		if p.rest() {
			return
		}
	}
	p.mu.Lock()
	p.state = over
	p.mu.Unlock()
	p.end()
}

// safely is a step whose panic ends the stream and not the process.
func (p *pump) safely() (more bool) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("a stream panicked", "panic", r, "stack", string(debug.Stack()))
			more = false
		}
	}()
	return p.step()
}

// rest tells whether there is nothing more to do for now.
func (p *pump) rest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == again {
		p.state = running
		return false
	}
	p.state = idle
	return true
}
