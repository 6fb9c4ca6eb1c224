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
	under []*underway
}

// underway is an item that runs; stop ends the watch over its call.
type underway struct {
	*item
	stop func() bool
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
	defer b.unwatch()
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
	wanted := slices.DeleteFunc(slices.Clone(b.under), func(u *underway) bool { return u.call.ctx.Err() != nil })
	if b.ctx.Err() != nil || len(wanted) == 0 && len(b.under) > 0 {
		// It was found unwanted: who comes now is for the next batch.
		return nil
	}
	// The Generator drops the others, and what they took up is free.
	b.under = wanted
	beside := load{}
	for _, u := range b.under {
		beside = b.engine.add(beside, u.item)
	}
	return b.orders(b.engine.pick(beside, true))
}

// orders makes requests of items; b is locked.
func (b *batch) orders(items []*item) []*Request {
	orders := make([]*Request, len(items))
	for i, it := range items {
		orders[i] = it.order(b.engine.Model, func() { b.forget(it) })
		b.under = append(b.under, &underway{item: it, stop: context.AfterFunc(it.call.ctx, b.cancelUnwanted)})
	}
	return orders
}

// cancelUnwanted ends the run when every call under way has ended.
func (b *batch) cancelUnwanted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.under {
		if u.call.ctx.Err() == nil {
			return
		}
	}
	if len(b.under) > 0 {
		b.cancel()
	}
}

// unwatch ends the watch over the calls of all that is left.
func (b *batch) unwatch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.under {
		u.stop()
	}
}

// left are the items that are not done.
func (b *batch) left() []*item {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := make([]*item, len(b.under))
	for i, u := range b.under {
		left[i] = u.item
	}
	return left
}

// forget is for an item that is done. A batch that others keep joining may never end, so
// that nothing of the item may stay.
func (b *batch) forget(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.under, func(u *underway) bool { return u.item == it })
	if i >= 0 {
		b.under[i].stop()
		b.under = slices.Delete(b.under, i, i+1)
	}
}
