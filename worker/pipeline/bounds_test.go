package pipeline

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/worker/bundle"
)

// boundEngine is an engine without a model that records how many inputs each batch began
// with.
func boundEngine(t *testing.T, size Dimensions, bytes int64) (e *Engine, batches *[]int) {
	t.Helper()
	batches = &[]int{}
	size.Vocabulary, size.Positions, size.Threads = 24, 64, 1
	d := &scripted{t: t, size: size, begun: func(inputs [][]int64) error {
		*batches = append(*batches, len(inputs))
		return nil
	}}
	return NewEngine(EngineConfig{Model: "scripted", Generator: NewGenerator(d, NewGate(1)), Rows: 8, Tokens: 4096, Bytes: bytes}), batches
}

// allTokens are those of the test's vocabulary.
func allTokens() []int64 {
	all := make([]int64, 24)
	for i := range all {
		all[i] = int64(i)
	}
	return all
}

// An output whose settings forbid every token fails alone, and the others of its batch
// go on as if it had never been there.
func TestEngine_SettingsThatForbidEverythingFailAlone(t *testing.T) {
	t.Parallel()
	for _, beams := range []int{1, 2} {
		e, batches := boundEngine(t, Dimensions{}, 0)
		requests := requestsOf(3, 3, 3)
		for _, r := range requests {
			r.Settings.NumBeams = beams
		}
		forbidding := requests[1]
		forbidding.Settings.Suppress = allTokens()
		calls := []*call{e.submit(t.Context(), requests[:1], false), e.submit(t.Context(), requests[1:2], false), e.submit(t.Context(), requests[2:], false)}
		runWith(t, e)
		for i, c := range calls {
			got := ends(c, 1)[0]
			if i != 1 {
				require.NoError(t, got.err)
				var want []Output
				g := NewGenerator(&scripted{t: t, size: e.Generator.Dimensions()}, NewGate(1))
				alone := *requests[i]
				alone.Done = func(o []Output) { want = o }
				require.NoError(t, g.Run(t.Context(), []*Request{&alone}, nil))
				assert.Equal(t, want, got.outputs)
				continue
			}
			f, _ := FailureOf(got.err)
			assert.Equal(t, jobspec.CodeInvalidInput, f.Code)
			assert.Contains(t, f.Message, "suppress_tokens")
		}
		assert.Equal(t, []int{3}, *batches, "something was run again")
	}
}

// A row of numbers that are none is the model's fault, and the settings are named where
// they forbid.
func TestRules_NothingLeft(t *testing.T) {
	t.Parallel()
	none := newRules(&bundle.Generation{EncoderRepetitionPenalty: 1}, nil, 1, 9)
	assert.ErrorIs(t, none.nothingLeft([]float32{forbidden}), bundle.ErrBroken)
	two := newRules(&bundle.Generation{EncoderRepetitionPenalty: 1, NoRepeatNGram: 2, BadWords: [][]int64{{4}}}, nil, 1, 9)
	assert.ErrorContains(t, two.nothingLeft([]float32{forbidden}), "no_repeat_ngram_size, bad_words_ids")
	nan := forbidden - forbidden
	assert.ErrorIs(t, two.nothingLeft([]float32{forbidden, nan}), bundle.ErrBroken)
}

// As many run together as fit, and one that does not is refused before anything runs.
func TestEngine_BoundsTheBytesOfABatch(t *testing.T) {
	t.Parallel()
	// Two beams of 8 tokens: 1600 each.
	e, batches := boundEngine(t, Dimensions{Footprint: Footprint{Written: 100}}, 3500)
	c := e.submit(t.Context(), requestsOf(3, 3, 3, 3, 3), false)
	runWith(t, e)
	for _, k := range ends(c, 5) {
		require.NoError(t, k.err)
	}
	assert.Equal(t, []int{2, 2, 1}, *batches)
	large := requestsOf(3)
	large[0].Settings.MaxLength = 40
	f, _ := FailureOf(e.Generate(t.Context(), large, false))
	assert.Equal(t, jobspec.CodeInvalidInput, f.Code)
	assert.Contains(t, f.Message, "up to 40 tokens with 2 beams")
	assert.Len(t, *batches, 3, "it ran")
}

// Outputs of an encoder-decoder that get longer than was to be expected are written one
// by one, with the same tokens.
func TestEngine_OutputsThatGrowTooLargeTogetherGoOnAlone(t *testing.T) {
	t.Parallel()
	var outputs [2][]int64
	for i, bytes := range []int64{6900, 1 << 30} {
		e, batches := boundEngine(t, Dimensions{Footprint: Footprint{Written: 100}}, bytes)
		requests := requestsOf(1, 1)
		for _, r := range requests {
			r.Settings.NumBeams, r.Settings.MaxLength, r.Settings.EOS = 1, 60, nil
		}
		c := e.submit(t.Context(), requests, false)
		runWith(t, e)
		for _, k := range ends(c, 2) {
			require.NoError(t, k.err)
			assert.Len(t, k.outputs[0].Tokens, 60)
			if k.index == 0 {
				outputs[i] = k.outputs[0].Tokens
			}
		}
		assert.Equal(t, [][]int{{2, 1, 1}, {2}}[i], *batches)
	}
	assert.Equal(t, outputs[1], outputs[0])
}

// Where nothing says how long an output may get, memory bounds it.
func TestEngine_OpenEndsEndWhereMemoryDoes(t *testing.T) {
	t.Parallel()
	e, _ := boundEngine(t, Dimensions{Prompted: true, Footprint: Footprint{Fixed: 50, Written: 100}}, 2060)
	requests := requestsOf(4)
	requests[0].Settings.NumBeams, requests[0].Settings.MaxLength, requests[0].Settings.EOS = 1, 0, nil
	var got []int64
	requests[0].Done = func(o []Output) { got = o[0].Tokens }
	runWith(t, e)
	require.NoError(t, e.Generate(t.Context(), requests, false))
	assert.Len(t, got, 20)
}
