package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"parley/internal/jobspec"
)

// EngineConfig describes an Engine; every field but Bytes is needed.
type EngineConfig struct {
	// Model is the name for the log and for failures.
	Model     string
	Generator *Generator
	// Rows and Tokens bound what runs together: the outputs, and their padded length
	// times rows. A single output always runs, beams only up to Tokens or
	// the positions of the model, whichever is more.
	Rows, Tokens int
	// Bytes bounds what outputs that run together take, by the model's Footprint; 0
	// means 1 GiB. A single output that takes more is refused.
	Bytes int64
}

// Engine batches while busy: what all callers queued during one run forms the
// next batch, no timer involved, and where the model can, joins the one under way.
// One goroutine runs it, so that a model is never run twice at once.
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
	if c.Bytes <= 0 {
		c.Bytes = defaultRunBytes
	}
	c.Generator.bytes = c.Bytes
	return &Engine{EngineConfig: c, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Generate writes the outputs of requests, whose functions are called on this
// goroutine; Dropped is not. It may be called concurrently; the requests of all calls
// run together, but for those of a call that is to be alone. It fails with the error
// of ctx, or with an *Error.
func (e *Engine) Generate(ctx context.Context, requests []*Request, alone bool) error {
	return e.generate(ctx, requests, alone, false)
}

// GenerateFirst is Generate for what somebody waits for: it goes before all calls of
// Generate that wait, into the next batch.
func (e *Engine) GenerateFirst(ctx context.Context, requests []*Request) error {
	return e.generate(ctx, requests, false, true)
}

func (e *Engine) generate(ctx context.Context, requests []*Request, alone, first bool) error {
	bounded := make([]*Request, len(requests))
	for i, r := range requests {
		if bounded[i] = e.bound(r); bounded[i] == nil {
			bounded[i] = r
		}
		if err := e.check(bounded[i]); err != nil {
			return err
		}
	}
	requests = bounded
	// What is left of a call that fails is not wanted any more.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newCall(ctx, requests, alone)
	c.first = first
	e.enter(c)
	defer e.withdraw(c)
	for left := len(requests); left > 0; {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ended:
			return NewError(jobspec.CodeInternal, "The worker is stopping.")
		}
		for _, news := range c.take() {
			if news.err != nil {
				return news.err
			}
			r := requests[news.index]
			if news.outputs == nil {
				r.Wrote(news.token)
				continue
			}
			left--
			if r.Done != nil {
				r.Done(news.outputs)
			}
		}
	}
	return nil
}

// check refuses what the model can't take, and beams of a length that no memory is
// meant for: a single output always runs, but only within the model's own positions.
func (e *Engine) check(r *Request) error {
	size := e.Generator.Dimensions()
	if err := r.check(size); err != nil {
		return err
	}
	most := max(e.Tokens, size.Positions)
	if length := e.length(&item{request: r}); size.Prompted && length > most/max(1, r.Settings.NumBeams) {
		return NewError(jobspec.CodeInvalidInput, "An output of up to %d tokens with %d beams is too large: together they may have %d.", length, r.Settings.NumBeams, most)
	}
	alone := e.add(load{}, &item{request: r})
	alone.written = r.Settings.Limit(len(size.origin(r)), size.Positions)
	if need := e.bytes(alone); need > float64(e.Bytes) {
		return NewError(jobspec.CodeInvalidInput, "An output of up to %d tokens with %d beams takes about %.0f MiB of memory; it may take %d MiB.",
			alone.written, r.Settings.NumBeams, need/(1<<20), e.Bytes>>20)
	}
	return nil
}

// bound gives an output whose settings don't tell how long it may get the greatest length
// that fits into memory, where that is less than the model's positions; nil where there
// is nothing to change.
func (e *Engine) bound(r *Request) *Request {
	size := e.Generator.Dimensions()
	alone := e.add(load{}, &item{request: r})
	alone.written = 0
	per := float64(alone.rows) * size.Footprint.Written
	if r.Settings.MaxLength > 0 || r.Settings.MaxNewTokens != nil || per <= 0 {
		return nil
	}
	most := (float64(e.Bytes) - e.bytes(alone)) / per
	if most >= float64(r.Settings.Limit(len(size.origin(r)), size.Positions)) {
		return nil
	}
	shorter := *r
	shorter.Settings.MaxLength = max(1, int(most))
	return &shorter
}

// submit queues requests.
func (e *Engine) submit(ctx context.Context, requests []*Request, alone bool) *call {
	c := newCall(ctx, requests, alone)
	e.enter(c)
	return c
}

// enter puts a call into the queue, and has it looked at.
func (e *Engine) enter(c *call) {
	e.mu.Lock()
	e.calls = queued(e.calls, c)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// queued gives a line with a call behind those of its kind: what goes first is in front.
func queued(line []*call, c *call) []*call {
	at := len(line)
	if c.first {
		if behind := slices.IndexFunc(line, func(other *call) bool { return !other.first }); behind >= 0 {
			at = behind
		}
	}
	return slices.Insert(slices.Clip(line), at, c)
}

// withdraw takes back what is still queued of a call.
func (e *Engine) withdraw(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.waiting = nil
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
	for ctx.Err() == nil {
		if items := e.pick(load{}, false); len(items) > 0 {
			e.work(ctx, items)
			continue
		}
		select {
		case <-ctx.Done():
		case <-e.wake:
		}
	}
	return nil
}

// load is what runs together: how many outputs, with how many rows in all, and the
// length of the longest, to which all of them are padded.
//
// read and written are the most tokens that an encoder reads for one of them, and that
// one has in the end.
type load struct{ outputs, rows, length, read, written int }

// add is a load with one more output.
func (e *Engine) add(l load, it *item) load {
	length := e.length(it)
	sum := load{outputs: l.outputs + 1, rows: l.rows + max(1, it.request.Settings.NumBeams), length: max(l.length, length)}
	if e.Generator.Dimensions().Prompted {
		sum.written = sum.length
		return sum
	}
	// What an encoder-decoder writes is about as long as what it reads, and its greatest
	// length far off. Where the outputs get longer, the Generator ends the batch.
	expected := min(2*length+32, it.request.Settings.Limit(1, e.Generator.Dimensions().Positions))
	sum.read, sum.written = max(l.read, length), max(l.written, expected)
	return sum
}

func (e *Engine) bytes(l load) float64 {
	return e.Generator.Dimensions().Footprint.of(l.outputs, l.rows, l.read, l.written)
}

func (e *Engine) fits(l load) bool {
	return l.outputs <= e.Rows && l.rows*l.length <= e.Tokens && e.bytes(l) <= float64(e.Bytes)
}

// pick takes work out of the queue: the first output of the call whose turn it is, and
// of all calls those nearest to it in length. So every call moves on, and little is
// padded. Where it joins what runs already it leaves what has to be alone or does not
// fit, and then all others, so that its turn comes.
func (e *Engine) pick(beside load, joins bool) []*item {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.calls) > 0 {
		c := e.calls[0]
		if len(c.waiting) == 0 || c.ctx.Err() != nil {
			e.calls = e.calls[1:]
			continue
		}
		head := c.waiting[0]
		if joins && (c.alone || !e.fits(e.add(beside, head))) {
			return nil
		}
		// It goes to the end of the line.
		e.calls = queued(e.calls[1:], c)
		if c.alone || e.Generator.Dimensions().Single {
			c.waiting = c.waiting[1:]
			return []*item{head}
		}
		return e.fill(head, beside)
	}
	return nil
}

// length is that of an output's longest row of caches.
func (e *Engine) length(it *item) int {
	size := e.Generator.Dimensions()
	if !size.Prompted {
		return len(it.request.Input)
	}
	return it.request.Settings.Limit(len(it.request.Input), size.Positions)
}

// fill takes items of the length of the first one, then those one token away,
// and so on, of calls that go first before any other. Items of a call that ended are left for their caller to withdraw.
func (e *Engine) fill(first *item, beside load) []*item {
	var before, others []*item
	for _, c := range e.calls {
		switch {
		case c.alone || c.ctx.Err() != nil:
		case c.first:
			before = append(before, c.waiting...)
		default:
			others = append(others, c.waiting...)
		}
	}
	picked := []*item{first}
	together := e.add(beside, first)
	taken := map[*item]bool{first: true}
	for _, it := range append(nearest(before, e.length(first), e.length), nearest(others, e.length(first), e.length)...) {
		if together.outputs >= e.Rows {
			break
		}
		more := e.add(together, it)
		if it == first || !e.fits(more) {
			continue
		}
		together = more
		picked, taken[it] = append(picked, it), true
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

// work runs a batch and what joins it. When it fails, its outputs are written one by
// one, each behind what was written of it, so that only those that are to blame fail.
func (e *Engine) work(ctx context.Context, items []*item) {
	b := newBatch(ctx, e, items)
	err := b.run(items)
	if err == nil || ctx.Err() != nil {
		return
	}
	left := b.left()
	if len(left) > 1 && !errors.Is(err, context.Canceled) && !errors.Is(err, errOverBudget) {
		slog.Warn("batch failed, its outputs are written one by one", "model", e.Model, "outputs", len(left), "error", err)
	}
	for _, it := range left {
		if it.call.ctx.Err() != nil {
			continue
		}
		if len(left) > 1 {
			alone := newBatch(ctx, e, []*item{it})
			alone.closed = true
			if err = alone.run([]*item{it}); err == nil {
				continue
			}
		}
		if it.call.ctx.Err() == nil && ctx.Err() == nil {
			it.call.tell(news{index: it.index, err: ModelError(e.Model, err)})
		}
	}
}
