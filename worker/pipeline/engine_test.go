package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/internal/jobspec"
	"parley/worker/bundle"
)

// newTestEngine makes an engine without a model that tells begun of each batch.
func newTestEngine(t *testing.T, rows, tokens int, begun func(inputs [][]int64) error) *Engine {
	t.Helper()
	d := &scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 64, Threads: 1}, begun: begun}
	return NewEngine(EngineConfig{Model: "scripted", Generator: NewGenerator(d, NewGate(1)), Rows: rows, Tokens: tokens})
}

// runWith runs an engine until the test ends.
func runWith(t *testing.T, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
}

// requestsOf gives requests with inputs of these lengths, which begin with their number.
func requestsOf(lengths ...int) []*Request {
	settings := bundle.Generation{
		DecoderStart: 23, EOS: bundle.Tokens{0}, NumBeams: 2, NumReturnSequences: 1, MaxLength: 8,
		LengthPenalty: 1, RepetitionPenalty: 1, EncoderRepetitionPenalty: 1,
	}
	all := make([]*Request, len(lengths))
	for i, n := range lengths {
		all[i] = &Request{Input: make([]int64, n), Settings: settings}
		all[i].Input[0] = int64(i + 1)
	}
	return all
}

// ends waits until an engine has told the ends of n items of a call.
func ends(c *call, n int) []news {
	var all []news
	for len(all) < n {
		<-c.wake
		for _, k := range c.take() {
			if k.err != nil || k.outputs != nil {
				all = append(all, k)
			}
		}
	}
	return all
}

// Of what waits, those of similar length run together, as many as rows and padded
// tokens allow; the call that is alone shares nothing.
func TestEngine_WhatGoesFirstIsInFrontOfWhatWaits(t *testing.T) {
	t.Parallel()
	line := []*call{}
	add := func(first bool) *call {
		c := &call{first: first}
		line = queued(line, c)
		return c
	}
	a, b, c, d := add(false), add(true), add(false), add(true)
	assert.Equal(t, []*call{b, d, a, c}, line)
	for i, want := range []*call{b, d, a, c} {
		assert.Same(t, want, line[i])
	}
}

func TestEngine_MakesBatchesOfWhatWaits(t *testing.T) {
	t.Parallel()
	var lengths [][]int
	e := newTestEngine(t, 3, 2*3*8, func(inputs [][]int64) error {
		var batch []int
		for _, ids := range inputs {
			batch = append(batch, len(ids))
		}
		slices.Sort(batch)
		lengths = append(lengths, batch)
		return nil
	})
	calls := []*call{
		e.submit(t.Context(), requestsOf(5, 20, 5, 6), false),
		e.submit(t.Context(), requestsOf(5, 4), true),
		e.submit(t.Context(), requestsOf(21, 7), false),
	}
	counts := []int{4, 2, 2}
	runWith(t, e)
	for i, c := range calls {
		for _, k := range ends(c, counts[i]) {
			assert.NoError(t, k.err)
		}
	}
	want := [][]int{{5, 5, 6}, {5}, {21}, {20}, {4}, {7}}
	assert.True(t, slices.EqualFunc(lengths, want, func(a, b []int) bool { return slices.Equal(a, b) }), "ran %v, want %v", lengths, want)
}

// When a batch fails, only the input that is to blame does.
func TestEngine_FailsOnlyWhatIsToBlame(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, 8, 1000, func(inputs [][]int64) error {
		if slices.ContainsFunc(inputs, func(ids []int64) bool { return ids[0] == 2 }) {
			return errors.New("the second one")
		}
		return nil
	})
	c := e.submit(t.Context(), requestsOf(4, 4, 4), false)
	runWith(t, e)
	for _, k := range ends(c, 3) {
		assert.Equal(t, k.index == 1, k.err != nil, "output %d: %v", k.index, k.err)
		if k.err != nil {
			f, _ := FailureOf(k.err)
			assert.Equal(t, jobspec.CodeModelBroken, f.Code)
		}
	}
}

// A call that ended is never run, and one that waits when the engine stops learns it.
func TestEngine_LeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	var seen []int
	e := newTestEngine(t, 1, 1000, func(inputs [][]int64) error {
		seen = append(seen, len(inputs[0]))
		entered <- struct{}{}
		<-leave
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var wait sync.WaitGroup
	wait.Go(func() {
		assert.NoError(t, e.Generate(context.Background(), requestsOf(3), false))
	})
	<-entered
	gone, leaves := context.WithCancel(context.Background())
	leaves()
	assert.ErrorIs(t, e.Generate(gone, requestsOf(4), false), context.Canceled, "a call that ended")
	leave <- struct{}{}
	wait.Wait()
	e.submit(context.Background(), requestsOf(5), false)
	<-entered
	cancel()
	leave <- struct{}{}
	assert.NoError(t, <-ended)
	err := e.Generate(context.Background(), requestsOf(6), false)
	f, _ := FailureOf(err)
	assert.Equal(t, jobspec.CodeInternal, f.Code, "a call to a stopped engine: %v", err)
	assert.Equal(t, []int{3, 5}, seen, "ran inputs of lengths %v", seen)
}

// newJoinableEngine makes an engine of a causal model that others may join, which writes
// long outputs and tells begun of each group that joins.
func newJoinableEngine(t *testing.T, rows, tokens int, begun func(inputs [][]int64) error) *Engine {
	t.Helper()
	d := &scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 4096, Threads: 1, Prompted: true}, joins: true, begun: begun}
	return NewEngine(EngineConfig{Model: "scripted", Generator: NewGenerator(d, NewGate(1)), Rows: rows, Tokens: tokens})
}

// endless are requests whose outputs end at their greatest length alone.
func endless(length int, inputs ...int) []*Request {
	all := requestsOf(inputs...)
	for _, r := range all {
		r.Settings.NumBeams, r.Settings.EOS, r.Settings.MaxLength = 1, nil, length
	}
	return all
}

// What joins a long output is padded to its length, and counts so.
func TestEngine_CountsThePaddingOfWhatJoins(t *testing.T) {
	t.Parallel()
	var groups []int
	e := newJoinableEngine(t, 16, 3*200, func(inputs [][]int64) error {
		groups = append(groups, len(inputs))
		return nil
	})
	long := e.submit(t.Context(), endless(200, 3), false)
	short := e.submit(t.Context(), endless(10, 3, 3, 3, 3, 3, 3), false)
	runWith(t, e)
	assert.Len(t, ends(short, 6), 6)
	assert.Len(t, ends(long, 1), 1)
	assert.Equal(t, []int{3, 2, 2}, groups, "three rows of 200 positions have room, the long one among them")
}

// A batch that others keep joining may never end: those that went away make room in it,
// and nothing stays of those that are done.
func TestEngine_KeepsNothingOfWhatLeftABatch(t *testing.T) {
	t.Parallel()
	e := newJoinableEngine(t, 2, 100_000, nil)
	e.submit(t.Context(), endless(4000, 3), false)
	items := e.pick(load{}, false)
	b := newBatch(t.Context(), e, items)
	defer b.cancel()
	b.orders(items)
	gone, leave := context.WithCancel(t.Context())
	e.submit(gone, endless(10, 3), false)
	assert.Len(t, b.join(), 1)
	e.submit(t.Context(), endless(10, 3), false)
	assert.Empty(t, b.join(), "there is no room")
	leave()
	joined := b.join()
	assert.Len(t, joined, 1, "who went away makes room")
	joined[0].Done([]Output{{Tokens: []int64{1}}})
	assert.Len(t, b.under, 1)
	assert.Equal(t, items, b.left())
}

// Beams multiply what an output takes up: more than the model was made for is refused.
func TestEngine_RefusesBeamsWithoutBound(t *testing.T) {
	t.Parallel()
	e := newJoinableEngine(t, 4, 1000, nil)
	runWith(t, e)
	r := endless(4096, 3)
	assert.NoError(t, e.Generate(t.Context(), r, false), "all positions of the model")
	r[0].Settings.NumBeams = 2
	f, _ := FailureOf(e.Generate(t.Context(), r, false))
	assert.Equal(t, jobspec.CodeInvalidInput, f.Code)
	r[0].Settings.MaxLength = 40
	assert.NoError(t, e.Generate(t.Context(), r, false))
}
