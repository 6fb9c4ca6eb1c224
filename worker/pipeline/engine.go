package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"parley/worker/bundle"
)

// item is one input of a call, in the queue or in a batch.
type item struct {
	call  *call
	index int
	ids   []int64
}

// outcome is what became of an item. Its output has the start token.
type outcome struct {
	index  int
	output []int64
	err    error
}

// call is the work of one caller. It receives one outcome for each item that
// it doesn't withdraw.
type call struct {
	ctx context.Context
	// alone keeps its inputs from sharing a batch with anything.
	alone    bool
	outcomes chan outcome
	// waiting are the items not begun, in the order of the text.
	waiting []*item
}

// engine batches while busy: what all callers queued during one run forms the
// next batch, no timer involved. One goroutine runs it, so that a model is
// never run twice at once.
type engine struct {
	name      string
	generator *generator
	settings  bundle.Generation
	gate      *Gate
	// rows and tokens bound a batch: its inputs, and its padded length times
	// inputs times beams.
	rows, tokens int

	mu    sync.Mutex
	calls []*call
	wake  chan struct{}
	ended chan struct{}
	once  sync.Once
}

func newEngine(name string, m *seq2seq, settings bundle.Generation, o Options) *engine {
	return &engine{
		name: name, generator: newGenerator(m), settings: settings, gate: o.Gate, rows: o.BatchRows, tokens: o.BatchTokens,
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// submit queues inputs. The outcomes may be received until withdraw.
func (e *engine) submit(ctx context.Context, inputs [][]int64, alone bool) *call {
	c := &call{ctx: ctx, alone: alone, outcomes: make(chan outcome, len(inputs))}
	for i, ids := range inputs {
		c.waiting = append(c.waiting, &item{call: c, index: i, ids: ids})
	}
	e.mu.Lock()
	e.calls = append(e.calls, c)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return c
}

// withdraw takes back what is still queued of a call.
func (e *engine) withdraw(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.waiting = nil
	e.forget(c)
}

func (e *engine) forget(c *call) {
	for i := range e.calls {
		if e.calls[i] == c {
			e.calls = append(e.calls[:i:i], e.calls[i+1:]...)
			return
		}
	}
}

// run works until ctx ends. Callers that still wait then learn it by ended.
func (e *engine) run(ctx context.Context) error {
	defer e.once.Do(func() { close(e.ended) })
	for {
		if err := e.gate.enter(ctx); err != nil {
			return nil // told to stop
		}
		items := e.pick()
		if len(items) > 0 {
			e.work(ctx, items)
		}
		e.gate.leave()
		if ctx.Err() != nil {
			return nil
		}
		if len(items) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		}
	}
}

// pick takes the next batch out of the queue: the first input of the call whose
// turn it is, and of all calls those nearest to it in length. So every call
// moves on, and little is padded.
func (e *engine) pick() []*item {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.calls) > 0 {
		first := e.calls[0]
		e.calls = e.calls[1:]
		if len(first.waiting) == 0 || first.ctx.Err() != nil {
			continue
		}
		// It goes to the end of the line.
		e.calls = append(e.calls, first)
		if first.alone {
			picked := first.waiting[:1:1]
			first.waiting = first.waiting[1:]
			return picked
		}
		return e.fill(first.waiting[0])
	}
	return nil
}

// fill takes items of the length of the first one, then those one token away,
// and so on. Items of a call that ended are left for their caller to withdraw.
func (e *engine) fill(first *item) []*item {
	byDistance := map[int][]*item{}
	farthest := 0
	for _, c := range e.calls {
		if c.alone || c.ctx.Err() != nil {
			continue
		}
		for _, it := range c.waiting {
			if it == first {
				continue
			}
			d := max(len(it.ids)-len(first.ids), len(first.ids)-len(it.ids))
			byDistance[d] = append(byDistance[d], it)
			farthest = max(farthest, d)
		}
	}
	picked := []*item{first}
	longest := len(first.ids)
	taken := map[*item]bool{first: true}
	beams := e.settings.NumBeams
	for d := 0; d <= farthest && len(picked) < e.rows; d++ {
		for _, it := range byDistance[d] {
			length := max(longest, len(it.ids))
			if len(picked) >= e.rows || length*(len(picked)+1)*beams > e.tokens {
				continue
			}
			longest = length
			picked, taken[it] = append(picked, it), true
		}
	}
	for _, c := range e.calls {
		kept := c.waiting[:0:0]
		for _, it := range c.waiting {
			if !taken[it] {
				kept = append(kept, it)
			}
		}
		c.waiting = kept
	}
	return picked
}

// work runs one batch. When it fails, its inputs are run one by one, so that
// only those that are to blame fail.
func (e *engine) work(ctx context.Context, items []*item) {
	delivered := make([]bool, len(items))
	err := e.attempt(ctx, items, delivered)
	if err == nil || ctx.Err() != nil {
		return
	}
	if len(items) > 1 && !errors.Is(err, context.Canceled) {
		slog.Warn("batch failed, its inputs are run one by one", "model", e.name, "inputs", len(items), "error", err)
	}
	for i, it := range items {
		if delivered[i] || it.call.ctx.Err() != nil {
			continue
		}
		if len(items) > 1 {
			if err = e.attempt(ctx, []*item{it}, []bool{false}); err == nil {
				continue
			}
		}
		if it.call.ctx.Err() == nil && ctx.Err() == nil {
			it.call.outcomes <- outcome{index: it.index, err: modelError(e.name, err)}
		}
	}
}

func (e *engine) attempt(ctx context.Context, items []*item, delivered []bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer cancelWithAll(items, cancel)()
	inputs := make([][]int64, len(items))
	for i, it := range items {
		inputs[i] = it.ids
	}
	return e.generator.run(ctx, batch{
		inputs: inputs, settings: e.settings,
		dropped: func(i int) bool { return items[i].call.ctx.Err() != nil },
		done: func(i int, output []int64) {
			delivered[i] = true
			items[i].call.outcomes <- outcome{index: items[i].index, output: output}
		},
	})
}

// cancelWithAll cancels when the last call of the items has ended; the function
// that it gives stops that.
func cancelWithAll(items []*item, cancel func()) (stop func()) {
	calls := map[*call]bool{}
	for _, it := range items {
		calls[it.call] = true
	}
	var left atomic.Int64
	left.Store(int64(len(calls)))
	var stops []func() bool
	for c := range calls {
		stops = append(stops, context.AfterFunc(c.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	return func() {
		for _, s := range stops {
			s()
		}
	}
}
