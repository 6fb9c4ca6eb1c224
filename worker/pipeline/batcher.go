package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"parley/internal/jobspec"
)

// BatcherConfig describes a Batcher; every field but Uniform is needed.
type BatcherConfig[I, O any] struct {
	// Model is the name for the log and for failures.
	Model string
	Gate  *Gate
	// Rows and Tokens bound what runs together: the inputs, and their greatest size
	// times their number. A single input always runs.
	Rows, Tokens int
	// Size is how long an input is; those of similar size run together, so that an eighth at
	// most is added as padding, with Uniform set only those of the same.
	Size    func(I) int
	Uniform bool
	// Need estimates the bytes that a run of so many inputs of up to a size takes, and
	// Bytes bounds it. A single input that takes more is refused.
	Need  func(rows, size int) float64
	Bytes int64
	// Work runs a model over inputs once and gives an output for each. What it gives
	// for one does not depend on the others.
	Work func(ctx context.Context, inputs []I) ([]O, error)
}

// Batcher runs a model that needs one run for an input. What all callers queued during
// one run forms the next, no timer involved. One goroutine runs it.
type Batcher[I, O any] struct {
	BatcherConfig[I, O]

	mu    sync.Mutex
	queue []*asked[I, O]
	wake  chan struct{}
	ended chan struct{}
	once  sync.Once
}

// asked is one input and who waits for its output.
type asked[I, O any] struct {
	ctx    context.Context //nolint:containedctx // the caller is the scope that the context describes
	input  I
	index  int
	answer chan<- answer[O]
}

type answer[O any] struct {
	index  int
	output O
	err    error
}

// NewBatcher makes a Batcher, which works while Run runs.
func NewBatcher[I, O any](c BatcherConfig[I, O]) *Batcher[I, O] {
	return &Batcher[I, O]{BatcherConfig: c, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Do gives an output for each input, in their order. It may be called concurrently. It
// fails with the error of ctx, or with an *Error.
func (b *Batcher[I, O]) Do(ctx context.Context, inputs []I) ([]O, error) {
	for _, in := range inputs {
		if need := b.Need(1, b.Size(in)); need > float64(b.Bytes) {
			return nil, NewError(jobspec.CodeInvalidInput, "The input takes about %.0f MiB of memory; it may take %d MiB.", need/(1<<20), b.Bytes>>20)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer[O], len(inputs))
	b.mu.Lock()
	for i, in := range inputs {
		b.queue = append(b.queue, &asked[I, O]{ctx: ctx, input: in, index: i, answer: answers})
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	outputs := make([]O, len(inputs))
	for range inputs {
		select {
		case a := <-answers:
			if a.err != nil {
				return nil, a.err
			}
			outputs[a.index] = a.output
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.ended:
			return nil, NewError(jobspec.CodeInternal, "The worker is stopping.")
		}
	}
	return outputs, nil
}

// Run works until ctx ends, and then returns nil. Calls of Do that still wait fail. It
// may be called once.
func (b *Batcher[I, O]) Run(ctx context.Context) error {
	defer b.once.Do(func() { close(b.ended) })
	for ctx.Err() == nil {
		if err := b.Gate.Enter(ctx, LaneQuery); err != nil {
			return nil // told to stop
		}
		// Picked as late as possible, so that as much as possible runs together.
		picked := b.pick()
		b.work(ctx, picked)
		b.Gate.Leave(LaneQuery)
		if len(picked) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-b.wake:
		}
	}
	return nil
}

// tooPadded tells that inputs of so much size in all, rows of them padded to size each, are
// more than an eighth more work than without the padding.
func tooPadded(rows, size, whole int) bool { return rows*size*8 > whole*9 }

// pick takes what has waited longest, and of the others those nearest to it in size, as
// far as they need little padding. So whoever waits has a turn.
func (b *Batcher[I, O]) pick() []*asked[I, O] {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted := b.queue[:0]
	for _, a := range b.queue {
		if a.ctx.Err() == nil {
			wanted = append(wanted, a)
		}
	}
	clear(b.queue[len(wanted):])
	b.queue = wanted
	if len(b.queue) == 0 {
		return nil
	}
	picked := []*asked[I, O]{b.queue[0]}
	longest := b.Size(b.queue[0].input)
	whole := longest
	taken := map[*asked[I, O]]bool{b.queue[0]: true}
	for _, a := range nearest(b.queue[1:], longest, func(a *asked[I, O]) int { return b.Size(a.input) }) {
		size := max(longest, b.Size(a.input))
		if len(picked) >= b.Rows || b.Uniform && b.Size(a.input) != longest {
			break
		}
		rows := len(picked) + 1
		if size*rows > b.Tokens || b.Need(rows, size) > float64(b.Bytes) || tooPadded(rows, size, whole+b.Size(a.input)) {
			continue
		}
		longest, whole = size, whole+b.Size(a.input)
		picked, taken[a] = append(picked, a), true
	}
	left := b.queue[:0]
	for _, a := range b.queue {
		if !taken[a] {
			left = append(left, a)
		}
	}
	clear(b.queue[len(left):])
	b.queue = left
	return picked
}

// work runs what was picked. When it fails, the inputs are run one by one, so that only
// those that are to blame fail.
func (b *Batcher[I, O]) work(ctx context.Context, picked []*asked[I, O]) {
	if len(picked) == 0 {
		return
	}
	inputs := make([]I, len(picked))
	for i, a := range picked {
		inputs[i] = a.input
	}
	outputs, err := b.run(ctx, picked, inputs)
	if err == nil {
		for i, a := range picked {
			a.answer <- answer[O]{index: a.index, output: outputs[i]}
		}
		return
	}
	if ctx.Err() != nil {
		return
	}
	if len(picked) > 1 {
		if !errors.Is(err, context.Canceled) {
			slog.Warn("batch failed, its inputs are run one by one", "model", b.Model, "inputs", len(picked), "error", err)
		}
		for _, a := range picked {
			if a.ctx.Err() == nil {
				b.work(ctx, []*asked[I, O]{a})
			}
		}
		return
	}
	picked[0].answer <- answer[O]{index: picked[0].index, err: ModelError(b.Model, err)}
}

// run ends early when nobody waits any more.
func (b *Batcher[I, O]) run(ctx context.Context, picked []*asked[I, O], inputs []I) ([]O, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unwanted := func() {
		for _, a := range picked {
			if a.ctx.Err() == nil {
				return
			}
		}
		cancel()
	}
	for _, a := range picked {
		defer context.AfterFunc(a.ctx, unwanted)()
	}
	return b.Work(ctx, inputs)
}
