package pipeline

import (
	"context"
	"slices"
	"sync"
)

// batch is what runs together. It ends early when nobody waits for any of it.
type batch struct {
	engine *Engine
	ctx    context.Context //nolint:containedctx // the batch is the scope that the context describes
	cancel context.CancelFunc
	// closed keeps others from joining.
	closed bool

	mu    sync.Mutex
	under []*item
	stops []func() bool
}

func newBatch(ctx context.Context, e *Engine, items []*item) *batch {
	size := e.Generator.Dimensions()
	b := &batch{engine: e, closed: !size.Prompted || size.Single || items[0].call.alone}
	b.ctx, b.cancel = context.WithCancel(ctx)
	return b
}

// run writes the outputs of items and of those that join.
func (b *batch) run(items []*item) error {
	defer b.cancel()
	defer func() {
		for _, stop := range b.stops {
			stop()
		}
	}()
	more := b.join
	if b.closed {
		more = nil
	}
	b.mu.Lock()
	orders := b.orders(items)
	b.mu.Unlock()
	return b.engine.Generator.Run(b.ctx, orders, more)
}

// join takes what there is room for beside what is under way.
func (b *batch) join() []*Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		// It was found unwanted: who comes now is for the next batch.
		return nil
	}
	rows, tokens := b.engine.Rows, b.engine.Tokens
	for _, it := range b.under {
		rows--
		tokens -= b.engine.cost(it)
	}
	return b.orders(b.engine.pick(rows, tokens, false))
}

// orders makes requests of items; b is locked.
func (b *batch) orders(items []*item) []*Request {
	b.under = append(b.under, items...)
	orders := make([]*Request, len(items))
	for i, it := range items {
		orders[i] = it.order(func() { b.forget(it) })
		b.stops = append(b.stops, context.AfterFunc(it.call.ctx, b.cancelUnwanted))
	}
	return orders
}

// cancelUnwanted ends the run when every call under way has ended.
func (b *batch) cancelUnwanted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range b.under {
		if it.call.ctx.Err() == nil {
			return
		}
	}
	if len(b.under) > 0 {
		b.cancel()
	}
}

// left are the items that are not done.
func (b *batch) left() []*item {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.under)
}

func (b *batch) forget(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.under = slices.DeleteFunc(b.under, func(other *item) bool { return other == it })
}
