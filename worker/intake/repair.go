package intake

import (
	"context"
	"errors"
	"time"

	"parley/internal/natsx"
)

// Run opens the consumers, again when they are lost, and looks after requests
// that the server forgot, until ctx ends; then it returns nil.
func (in *Intake) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	pause := natsx.Backoff{First: 50 * time.Millisecond, Most: 10 * time.Second}
	in.repair(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, l := range in.all() {
				l.puller.Check(now)
			}
			if len(in.broken()) == 0 {
				pause.Reset()
			}
		case <-in.faulty:
			pause.Wait(ctx)
			in.repair(ctx)
		}
	}
}

// broken lists the lanes that must be opened.
func (in *Intake) broken() []*lane {
	in.mu.Lock()
	defer in.mu.Unlock()
	var list []*lane
	for _, l := range in.lanes {
		if l != nil && l.fault != nil {
			list = append(list, l)
		}
	}
	return list
}

// repair opens the consumers of faulty lanes. Where that fails, it asks to be
// called again.
func (in *Intake) repair(ctx context.Context) {
	faulty := in.broken()
	if len(faulty) == 0 {
		return
	}
	ctx, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	in.mu.Lock()
	in.giveUp = end
	in.mu.Unlock()
	err := in.Bus.EnsureStreams(ctx)
	for _, l := range faulty {
		fault := err
		if fault == nil {
			fault = l.openConsumer(ctx)
		}
		if fault != nil && !errors.Is(fault, context.Canceled) {
			in.Logger.Warn("a queue can't be opened, trying again", "consumer", l.consumer, "error", fault)
		}
		in.mu.Lock()
		switch {
		case l.removed:
		case fault != nil:
			in.fail(l, fault)
		default:
			l.fault = nil
			in.planner.opened(l.index)
			in.ask()
		}
		in.mu.Unlock()
	}
}
