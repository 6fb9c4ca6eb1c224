package decoder

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// held is how many bytes of caches a causal model holds: of rows, and of prompts with
// what the reader writes them to.
func held(m Model) (rows, prompts int) {
	size := func(all []onnx.Memory) (sum int) {
		for i := range all {
			sum += all[i].Size()
		}
		return sum
	}
	r := readerOf(m)
	for _, p := range slices.Concat(r.prompts, r.finished) {
		prompts += size(p.caches)
	}
	prompts += size(r.scratch)
	switch m := m.(type) {
	case *concatenated:
		rows = size(m.now) + size(m.later)
	case *shared:
		rows = size(m.buffers)
	}
	return rows, prompts
}

// A prompt that is dropped between two of its parts is freed at once, is not read on, and
// the others go on as alone.
func TestDroppedPromptsAreFreedAtOnce(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		gone := false
		long := &pipeline.Request{Input: promptFor(0, 90), Settings: settings, Dropped: func() bool { return gone }}
		other := &pipeline.Request{Input: promptFor(1, 60), Settings: settings}
		_, idle := held(m)
		require.NoError(t, m.Read([]*pipeline.Request{long}))
		_, _, err := m.ReadOn(t.Context())
		require.NoError(t, err)
		_, paused := held(m)
		assert.GreaterOrEqual(t, paused-idle, 90*4*int(floats(readerOf(m).caches)), "a paused prompt keeps its caches")
		require.NoError(t, m.Read([]*pipeline.Request{other}))
		gone = true
		assert.True(t, m.Reads(), "the other one is left")
		_, freed := held(m)
		assert.Less(t, freed-idle, paused-idle)
		assert.Len(t, readerOf(m).prompts, 1)
		for range 3 {
			read, _, err := m.ReadOn(t.Context())
			require.NoError(t, err)
			assert.Empty(t, read)
		}
		read, logits, err := m.ReadOn(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []*pipeline.Request{other}, read)
		assert.Len(t, logits, m.Dimensions().Vocabulary)
		ok, err := m.Join(nil)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.False(t, m.Reads())
		assert.Empty(t, readerOf(m).finished, "nobody waits for what was read")
		_, err = m.Join(read)
		assert.ErrorContains(t, err, "was not read")
		m.Reset()
	})
}

// An output that can't be written, and one that is dropped while its prompt is paused, leave
// the others as they are alone.
func TestPromptsThatEndBadlyLeaveTheOthers(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		g := pipeline.NewGenerator(m, pipeline.NewGate(1))
		forbidding := settings
		for id := range m.Dimensions().Vocabulary {
			forbidding.Suppress = append(forbidding.Suppress, int64(id))
		}
		for gone := range 9 {
			var alone, together []int64
			var failed error
			good := &pipeline.Request{Input: promptFor(0, 75), Settings: settings, Done: func(o []pipeline.Output) { alone = o[0].Tokens }}
			require.NoError(t, g.Run(t.Context(), []*pipeline.Request{good}, nil))
			good.Done = func(o []pipeline.Output) { together = o[0].Tokens }
			round := 0
			bad := &pipeline.Request{Input: promptFor(1, 20), Settings: forbidding, Failed: func(err error) { failed = err }}
			dropped := &pipeline.Request{Input: promptFor(2, 64), Settings: settings, Dropped: func() bool { return round > gone }}
			require.NoError(t, g.Run(t.Context(), []*pipeline.Request{dropped, good, bad}, func() []*pipeline.Request {
				round++
				return nil
			}))
			assert.Equal(t, alone, together, "dropped after %d parts", gone)
			assert.ErrorContains(t, failed, "suppress_tokens")
		}
	})
}

// weighed is a Model that takes down the most that its caches took.
type weighed struct {
	Model
	most int
}

func (w *weighed) weigh() {
	rows, prompts := held(w.Model)
	w.most = max(w.most, rows+prompts)
}

func (w *weighed) ReadOn(ctx context.Context) ([]*pipeline.Request, []float32, error) {
	defer w.weigh()
	return w.Model.ReadOn(ctx)
}

func (w *weighed) Forward(ctx context.Context, last []int64) ([]float32, error) {
	defer w.weigh()
	return w.Model.Forward(ctx, last)
}

// However many prompts are paused beside the rows, all caches together take no more than
// the model's footprint says of outputs of that length; blocks that grow by half included.
func TestPausedPromptsAreWithinTheFootprint(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		w := &weighed{Model: m}
		next := 0
		const outputs = 9
		more := func() []*pipeline.Request {
			if next == outputs {
				return nil
			}
			next++
			return []*pipeline.Request{{Input: promptFor(next, 128-7*next), Settings: settings}}
		}
		for next < outputs {
			require.NoError(t, pipeline.NewGenerator(w, pipeline.NewGate(1)).Run(t.Context(), more(), more))
		}
		// An output of the longest prompt has 121 + 14 tokens.
		bound := outputs * 135 * m.Dimensions().Footprint.Written
		assert.Less(t, float64(w.most), bound)
		assert.Greater(t, float64(w.most), bound/6, "the estimate is far off")
		rows, prompts := held(m)
		assert.LessOrEqual(t, prompts, 6*128*int(floats(readerOf(m).caches)), "prompts are kept")
		assert.NotZero(t, rows)
	})
}
