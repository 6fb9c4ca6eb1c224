package pipeline

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/worker/bundle"
)

// inParts is a scripted causal model that reads inputs in parts of two tokens.
func inParts(t *testing.T) *scripted {
	t.Helper()
	return &scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 4096, Threads: 1, Prompted: true}, joins: true, part: 2}
}

// writing is a request whose output has so many new tokens behind an input of a length,
// and which notes each token.
func writing(id int64, length, tokens int, wrote *[]int64) *Request {
	r := &Request{Input: make([]int64, length), Settings: bundle.Generation{
		NumBeams: 1, NumReturnSequences: 1, MaxNewTokens: &tokens, RepetitionPenalty: 1, EncoderRepetitionPenalty: 1, LengthPenalty: 1,
	}}
	r.Input[0] = id
	r.Wrote = func(int64) { *wrote = append(*wrote, id) }
	return r
}

// comes gives requests in the rounds that they come in.
func comes(at map[int]*Request) func() []*Request {
	round := 0
	return func() []*Request {
		round++
		if r := at[round]; r != nil {
			return []*Request{r}
		}
		return nil
	}
}

// Row 1 writes, the long input 2 is under way, and the short one 3 comes: it is read, has
// its first token and ends before the long one was read, and row 1 has a step behind each
// part.
func TestGenerator_LetsShortInputsInBetweenPartsOfLongOnes(t *testing.T) {
	t.Parallel()
	var wrote []int64
	d := inParts(t)
	err := NewGenerator(d, NewGate(1)).Run(t.Context(), []*Request{writing(1, 1, 12, &wrote)}, comes(map[int]*Request{
		1: writing(2, 16, 2, &wrote), 3: writing(3, 2, 3, &wrote),
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"part of 1", "step of 1", "part of 2", "step of 1", "part of 2", "step of 1", "part of 3", "step of 1",
		"part of 2", "step of 2", "part of 2", "step of 2",
	}, d.events[:12])
	assert.Equal(t, 0, slices.Index(d.events, "part of 1"))
	assert.Less(t, slices.Index(wrote, 3), slices.Index(wrote, 2), "the long one had its first token first: %v", wrote)
	last := len(wrote) - 1 - slices.Index(backwards(wrote), 3)
	assert.Less(t, last, slices.Index(wrote, 2), "the short one ended before: %v", wrote)
	for i, e := range d.events[1:] {
		assert.False(t, e[:4] == "part" && d.events[i][:4] == "part" && i > 0, "two parts in front of a step: %v", d.events)
	}
}

func backwards(ids []int64) []int64 {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

// A first token does not wait for the row to join: an output of one token ends without one.
func TestGenerator_TellsFirstTokensBeforeRowsJoin(t *testing.T) {
	t.Parallel()
	var wrote []int64
	d := inParts(t)
	var steps []int
	one := writing(2, 2, 1, &wrote)
	one.Done = func([]Output) { steps = append(steps, d.steps) }
	first := writing(1, 1, 9, &wrote)
	err := NewGenerator(d, NewGate(1)).Run(t.Context(), []*Request{first}, comes(map[int]*Request{1: one}))
	require.NoError(t, err)
	assert.Equal(t, []int{1}, steps, "the row of another could join behind two steps")
	assert.NotContains(t, d.events, "step of 2")
}

// What is dropped while its input is paused, or before its row joins, is gone, and the run
// ends with the others.
func TestGenerator_ForgetsWhatIsDroppedBeforeItJoins(t *testing.T) {
	t.Parallel()
	for gone := 1; gone < 9; gone++ {
		var wrote []int64
		d := inParts(t)
		round := 0
		long, short := writing(2, 9, 5, &wrote), writing(3, 2, 5, &wrote)
		long.Dropped = func() bool { return round >= gone }
		short.Dropped = long.Dropped
		more := comes(map[int]*Request{1: long, 2: short})
		err := NewGenerator(d, NewGate(1)).Run(t.Context(), []*Request{writing(1, 1, 12, &wrote)}, func() []*Request {
			round++
			return more()
		})
		require.NoError(t, err)
		assert.Len(t, slices.DeleteFunc(slices.Clone(wrote), func(id int64) bool { return id != 1 }), 12)
		assert.Less(t, len(wrote), 22)
	}
	// Nothing is left beside it.
	d := inParts(t)
	var wrote []int64
	round := 0
	long := writing(2, 9, 5, &wrote)
	long.Dropped = func() bool { round++; return round > 3 }
	require.NoError(t, NewGenerator(d, NewGate(1)).Run(t.Context(), []*Request{long}, nil))
	assert.Empty(t, wrote)
}

// An input that is paused takes up its room: what does not fit beside it waits, and what
// fits is written before it.
func TestEngine_CountsInputsThatArePaused(t *testing.T) {
	t.Parallel()
	var wrote []int64
	d := inParts(t)
	d.size.Footprint = Footprint{Written: 1}
	// Each of those that run together counts as the longest, with 210 tokens.
	e := NewEngine(EngineConfig{Model: "scripted", Generator: NewGenerator(d, NewGate(1)), Rows: 8, Tokens: 1 << 20, Bytes: 700})
	calls := []*call{e.submit(t.Context(), []*Request{writing(1, 200, 10, &wrote)}, false)}
	items := e.pick(load{}, false)
	for id := range int64(3) {
		calls = append(calls, e.submit(t.Context(), []*Request{writing(2+id, 4, 6, &wrote)}, false))
	}
	require.NoError(t, newBatch(t.Context(), e, items).run(items))
	for _, c := range calls {
		assert.NoError(t, ends(c, 1)[0].err)
	}
	assert.Equal(t, 3, d.most, "700 is for three")
	end := slices.Index(d.events, "part of 4")
	assert.Greater(t, end, slices.Index(d.events, "part of 3")+5, "it waited until there was room")
	assert.Contains(t, d.events[end:], "part of 1", "the short ones were read before the long one was")
}
