package pipeline

import (
	"context"
	"slices"
	"sync"
)

// call is the work of one caller. It is told what happens to each of its items, until
// it doesn't look any more.
type call struct {
	ctx context.Context //nolint:containedctx // the call is the scope that the context describes
	// alone keeps its outputs from sharing a batch with anything.
	alone bool
	// first puts it in front of the calls that are not.
	first bool
	// waiting are the items not begun, in the order of the text.
	waiting []*item

	mu   sync.Mutex
	told []news
	wake chan struct{}
}

// item is one request of a call, in the queue or in a batch.
type item struct {
	call    *call
	index   int
	request *Request
	// written are the tokens that the caller was told, where it wants to know.
	written []int64
}

// news is a token of an item, its outputs, or why there are none.
type news struct {
	index   int
	token   int64
	outputs []Output
	err     error
}

func newCall(ctx context.Context, requests []*Request, alone bool) *call {
	c := &call{ctx: ctx, alone: alone, wake: make(chan struct{}, 1)}
	for i, r := range requests {
		c.waiting = append(c.waiting, &item{call: c, index: i, request: r})
	}
	return c
}

// tell never waits: there is no more news than an output may have tokens.
func (c *call) tell(n news) {
	c.mu.Lock()
	c.told = append(c.told, n)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *call) take() []news {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.told
	c.told = nil
	return told
}

// order is the item's request for a Generator of a model: what it tells goes to the call.
func (it *item) order(model string, done func()) *Request {
	r := *it.request
	r.Recorded = append(slices.Clip(r.Recorded), it.written...)
	dropped := r.Dropped
	r.Dropped = func() bool { return it.call.ctx.Err() != nil || dropped != nil && dropped() }
	if r.Wrote != nil {
		r.Wrote = func(token int64) {
			it.written = append(it.written, token)
			it.call.tell(news{index: it.index, token: token})
		}
	}
	r.Failed = func(err error) {
		done()
		it.call.tell(news{index: it.index, err: ModelError(model, err)})
	}
	r.Done = func(outputs []Output) {
		done()
		it.call.tell(news{index: it.index, outputs: outputs})
	}
	return &r
}
