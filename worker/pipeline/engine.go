package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"parley/internal/jobspec"
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

// EngineConfig describes an Engine; every field is needed.
type EngineConfig struct {
	// Model is the name for the log and for failures.
	Model     string
	Generator *Generator
	Settings  bundle.Generation
	Gate      *Gate
	// Rows and Tokens bound a batch: its inputs, and its padded length times inputs
	// times beams. A single input always runs.
	Rows, Tokens int
}

// Engine batches while busy: what all callers queued during one run forms the
// next batch, no timer involved. One goroutine runs it, so that a model is
// never run twice at once.
type Engine struct {
	EngineConfig

	mu    sync.Mutex
	calls []*call
	wake  chan struct{}
	ended chan struct{}
	once  sync.Once
}

// NewEngine makes an Engine, which works while Run runs.
func NewEngine(c EngineConfig) *Engine {
	return &Engine{EngineConfig: c, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Generate writes an output for each of inputs, token ids with their end token. done
// receives each with its start token as soon as it is there, in any order, on this
// goroutine. It may be called concurrently; the inputs of all calls run together,
// but for those of a call that is to be alone. It fails with the error of ctx, or
// with an *Error.
func (e *Engine) Generate(ctx context.Context, inputs [][]int64, alone bool, done func(i int, output []int64)) error {
	c := e.submit(ctx, inputs, alone)
	defer e.withdraw(c)
	for range inputs {
		select {
		case out := <-c.outcomes:
			if out.err != nil {
				return out.err
			}
			done(out.index, out.output)
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ended:
			return NewError(jobspec.CodeInternal, "The worker is stopping.")
		}
	}
	return nil
}

// submit queues inputs. The outcomes may be received until withdraw.
func (e *Engine) submit(ctx context.Context, inputs [][]int64, alone bool) *call {
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
func (e *Engine) withdraw(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.waiting = nil
	e.forget(c)
}

func (e *Engine) forget(c *call) {
	for i := range e.calls {
		if e.calls[i] == c {
			e.calls = append(e.calls[:i:i], e.calls[i+1:]...)
			return
		}
	}
}

// Run works until ctx ends, and then returns nil. Calls of Generate that still wait
// fail. It may be called once.
func (e *Engine) Run(ctx context.Context) error {
	defer e.once.Do(func() { close(e.ended) })
	for {
		if err := e.Gate.Enter(ctx); err != nil {
			return nil // told to stop
		}
		items := e.pick()
		if len(items) > 0 {
			e.work(ctx, items)
		}
		e.Gate.Leave()
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
func (e *Engine) pick() []*item {
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
func (e *Engine) fill(first *item) []*item {
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
	beams := e.Settings.NumBeams
	for d := 0; d <= farthest && len(picked) < e.Rows; d++ {
		for _, it := range byDistance[d] {
			length := max(longest, len(it.ids))
			if len(picked) >= e.Rows || length*(len(picked)+1)*beams > e.Tokens {
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
func (e *Engine) work(ctx context.Context, items []*item) {
	delivered := make([]bool, len(items))
	err := e.runBatch(ctx, items, delivered)
	if err == nil || ctx.Err() != nil {
		return
	}
	if len(items) > 1 && !errors.Is(err, context.Canceled) {
		slog.Warn("batch failed, its inputs are run one by one", "model", e.Model, "inputs", len(items), "error", err)
	}
	for i, it := range items {
		if delivered[i] || it.call.ctx.Err() != nil {
			continue
		}
		if len(items) > 1 {
			if err = e.runBatch(ctx, []*item{it}, []bool{false}); err == nil {
				continue
			}
		}
		if it.call.ctx.Err() == nil && ctx.Err() == nil {
			it.call.outcomes <- outcome{index: it.index, err: ModelError(e.Model, err)}
		}
	}
}

func (e *Engine) runBatch(ctx context.Context, items []*item, delivered []bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer cancelWithAll(items, cancel)()
	inputs := make([][]int64, len(items))
	for i, it := range items {
		inputs[i] = it.ids
	}
	return e.Generator.Run(ctx, Batch{
		Inputs: inputs, Settings: e.Settings,
		Dropped: func(i int) bool { return items[i].call.ctx.Err() != nil },
		Done: func(i int, output []int64) {
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
	var unended atomic.Int64
	unended.Store(int64(len(calls)))
	var stops []func() bool
	for c := range calls {
		stops = append(stops, context.AfterFunc(c.ctx, func() {
			if unended.Add(-1) == 0 {
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
