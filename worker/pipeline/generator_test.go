package pipeline

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/worker/bundle"
)

// scripted is a Decoder without a model: its logits follow from the first token of
// a row's input and from what the row has written.
type scripted struct {
	t    *testing.T
	size Dimensions
	// begun, which may be nil, is told the inputs of each batch and may refuse them.
	begun func(inputs [][]int64) error
	rows  []scriptedRow
}

type scriptedRow struct {
	seed    uint64
	written []int64
}

func (s *scripted) Dimensions() Dimensions { return s.size }

func (s *scripted) Begin(ctx context.Context, inputs [][]int64, _, start int64, _ int) ([]float32, error) {
	if s.begun != nil {
		if err := s.begun(inputs); err != nil {
			return nil, err
		}
	}
	s.rows = nil
	for _, ids := range inputs {
		s.rows = append(s.rows, scriptedRow{uint64(ids[0]), []int64{start}})
	}
	return s.logits(ctx)
}

func (s *scripted) Forward(ctx context.Context, last []int64) ([]float32, error) {
	for i, token := range last {
		s.rows[i].written = append(slices.Clone(s.rows[i].written), token)
	}
	return s.logits(ctx)
}

func (s *scripted) Arrange(parents, before, after []int) error {
	moved := make([]scriptedRow, len(parents))
	for i, p := range parents {
		assert.Equal(s.t, after[i], before[p], "row %d goes from input %d to input %d", i, before[p], after[i])
		moved[i] = s.rows[p]
	}
	s.rows = moved
	return nil
}

func (s *scripted) logits(ctx context.Context) ([]float32, error) {
	var all []float32
	for _, r := range s.rows {
		all = append(all, logitsFor(r.seed, r.written, s.size.Vocabulary)...)
	}
	return all, ctx.Err()
}

// However many inputs run together, end early or are dropped, each output is that of
// its own search.
func TestGenerator_GivesEachInputItsOwnOutput(t *testing.T) {
	t.Parallel()
	const inputs = 9
	for _, beams := range []int{1, 2, 4} {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("beams=%d/threads=%d", beams, threads), func(t *testing.T) {
				t.Parallel()
				size := Dimensions{Vocabulary: 24, Positions: 16, Threads: threads}
				settings := bundle.Generation{DecoderStart: 23, EOS: bundle.Tokens{0, 3}, NumBeams: beams, LengthPenalty: 1, RepetitionPenalty: 1}
				limit := settings.Limit(size.Positions)
				b := Batch{Settings: settings}
				want, got := map[int][]int64{}, map[int][]int64{}
				asked := make([]int, inputs)
				for i := range inputs {
					b.Inputs = append(b.Inputs, []int64{int64(i + 1)})
					if i%4 == 3 {
						continue // is dropped
					}
					var s search = newGreedy(newRules(&settings, limit), settings.DecoderStart, limit)
					if beams > 1 {
						s = newBeams(newRules(&settings, limit), &settings, limit)
					}
					want[i] = runSearch(t, s, uint64(i+1), settings.DecoderStart, size.Vocabulary, limit)
				}
				b.Dropped = func(i int) bool { asked[i]++; return i%4 == 3 }
				b.Done = func(i int, output []int64) { got[i] = slices.Clone(output) }
				require.NoError(t, NewGenerator(&scripted{t: t, size: size}).Run(t.Context(), b))
				for i := range inputs {
					assert.False(t, i%4 != 3 && !slices.Equal(got[i], want[i]), "input %d: got %v, want %v", i, got[i], want[i])
				}
			})
		}
	}
}

func TestGenerator_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := NewGenerator(&scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 16, Threads: 1}})
	settings := bundle.Generation{DecoderStart: 23, NumBeams: 2, RepetitionPenalty: 1}
	assert.ErrorIs(t, g.Run(ctx, Batch{Inputs: [][]int64{{1}}, Settings: settings}), context.Canceled)
	assert.NoError(t, g.Run(t.Context(), Batch{}), "nothing to do")
}
