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
// a row's input and from what the row has written. With joins set others join between
// every second step.
type scripted struct {
	t     *testing.T
	size  Dimensions
	joins bool
	// part is how much of an input is read at once, all of it where it is 0; of several the
	// one with the least left comes next.
	part int
	// begun, which may be nil, is told the inputs of each batch and may refuse them.
	begun   func(inputs [][]int64) error
	rows    []scriptedRow
	reading []*scriptedInput
	// finished wait to join.
	finished []*Request
	steps    int
	// most is how many outputs were under way at once, where each has a row.
	most int
	// events are what was done, in order.
	events []string
}

type scriptedRow struct {
	request *Request
	seed    uint64
	written []int64
}

type scriptedInput struct {
	request *Request
	left    int
}

func (s *scripted) Dimensions() Dimensions { return s.size }

func (s *scripted) Accepts() bool { return s.joins || len(s.reading)+len(s.finished)+len(s.rows) == 0 }

func (s *scripted) Read(requests []*Request) error {
	var inputs [][]int64
	for _, r := range requests {
		s.reading = append(s.reading, &scriptedInput{r, len(r.Input)})
		inputs = append(inputs, r.Input)
	}
	s.most = max(s.most, len(s.reading)+len(s.finished)+len(s.rows))
	if s.begun == nil {
		return nil
	}
	return s.begun(inputs)
}

func (s *scripted) Reads() bool {
	s.reading = slices.DeleteFunc(s.reading, func(in *scriptedInput) bool { return in.request.dropped() })
	return len(s.reading) > 0
}

func (s *scripted) ReadOn(ctx context.Context) ([]*Request, []float32, error) {
	if s.part == 0 {
		var read []*Request
		for _, in := range s.reading {
			read = append(read, in.request)
		}
		s.reading = nil
		return s.end(ctx, read...)
	}
	next := slices.MinFunc(s.reading, func(a, b *scriptedInput) int { return a.left - b.left })
	next.left -= s.part
	s.events = append(s.events, fmt.Sprint("part of ", next.request.Input[0]))
	if next.left > 0 {
		return nil, nil, ctx.Err()
	}
	s.reading = slices.DeleteFunc(s.reading, func(in *scriptedInput) bool { return in == next })
	return s.end(ctx, next.request)
}

func (s *scripted) end(ctx context.Context, read ...*Request) ([]*Request, []float32, error) {
	s.finished = append(s.finished, read...)
	return read, s.logits(s.rowsOf(read)), ctx.Err()
}

func (s *scripted) rowsOf(requests []*Request) []scriptedRow {
	rows := make([]scriptedRow, len(requests))
	for i, r := range requests {
		rows[i] = scriptedRow{r, uint64(r.Input[0]), slices.Clone(s.size.origin(r))}
	}
	return rows
}

func (s *scripted) Join(requests []*Request) (bool, error) {
	s.finished = slices.DeleteFunc(s.finished, func(r *Request) bool { return !slices.Contains(requests, r) })
	assert.Equal(s.t, s.finished, requests, "they were read, in this order")
	if len(s.rows) > 0 && s.steps%2 == 1 {
		return false, nil
	}
	s.rows = append(s.rows, s.rowsOf(requests)...)
	s.finished = nil
	return true, nil
}

func (s *scripted) Forward(ctx context.Context, last []int64) ([]float32, error) {
	s.steps++
	s.events = append(s.events, fmt.Sprint("step of ", len(s.rows)))
	assert.NotEmpty(s.t, s.rows, "a step of nothing")
	assert.Len(s.t, last, len(s.rows))
	for i, token := range last {
		s.rows[i].written = append(slices.Clone(s.rows[i].written), token)
	}
	return s.logits(s.rows), ctx.Err()
}

func (s *scripted) Arrange(parents []int, same []bool) error {
	moved := make([]scriptedRow, len(parents))
	for i, p := range parents {
		if same[i] {
			assert.Same(s.t, s.rows[i].request, s.rows[p].request, "row %d goes on with another request", i)
		}
		moved[i] = s.rows[p]
	}
	s.rows = moved
	return nil
}

func (s *scripted) Reset() { s.rows, s.reading, s.finished = nil, nil, nil }

func (s *scripted) logits(rows []scriptedRow) []float32 {
	var all []float32
	for _, r := range rows {
		all = append(all, logitsFor(r.seed, r.written, s.size.Vocabulary)...)
	}
	return all
}

// settingsOf are those of a request by its number, so that unlike ones run together.
func settingsOf(i, beams int) bundle.Generation {
	g := bundle.Generation{
		DecoderStart: 23, EOS: bundle.Tokens{0, 3}, NumBeams: beams, NumReturnSequences: 1, MaxLength: 9 + i%8,
		LengthPenalty: 1, RepetitionPenalty: 1, EncoderRepetitionPenalty: 1, Temperature: 1, TopP: 1, TypicalP: 1,
	}
	g.DoSample = beams == 1 && i%2 == 1
	return g
}

// However many requests run together, join later, end early or are dropped, each output
// is that of its own search.
func TestGenerator_GivesEachRequestItsOwnOutput(t *testing.T) {
	t.Parallel()
	const requests = 11
	for _, beams := range []int{1, 2, 4} {
		for _, size := range []Dimensions{{Threads: 1}, {Threads: 3}, {Threads: 2, Prompted: true}, {Threads: 1, Prompted: true}} {
			size.Vocabulary, size.Positions = 24, 16
			part := 0
			if size.Prompted {
				part = 2 - size.Threads
			}
			t.Run(fmt.Sprintf("beams=%d/threads=%d/prompted=%v/part=%d", beams, size.Threads, size.Prompted, part), func(t *testing.T) {
				t.Parallel()
				want, got := map[int][]Output{}, map[int][]Output{}
				var all []*Request
				for i := range requests {
					r := &Request{Input: append([]int64{int64(i + 1)}, make([]int64, 1+i%4)...), Settings: settingsOf(i, beams), Seed: uint64(i)}
					if i%4 != 3 {
						origin := size.origin(r)
						want[i] = runSearch(t, newSearch(r, origin, r.Settings.Limit(len(origin), size.Positions)), uint64(i+1), origin, size.Vocabulary, 16)
					}
					r.Dropped = func() bool { return i%4 == 3 }
					r.Done = func(outputs []Output) { got[i] = outputs }
					all = append(all, r)
				}
				later := all[4:]
				more := func() []*Request {
					n := min(len(later), 3)
					next := later[:n]
					later = later[n:]
					return next
				}
				d := &scripted{t: t, size: size, joins: size.Prompted, part: part}
				require.NoError(t, NewGenerator(d, NewGate(1)).Run(t.Context(), all[:4], more))
				assert.Equal(t, want, got)
			})
		}
	}
}

// Whatever was recorded when a worker went away, the output ends the same, and nothing is
// told twice.
func TestGenerator_GoesOnBehindWhatWasRecorded(t *testing.T) {
	t.Parallel()
	size := Dimensions{Vocabulary: 24, Positions: 32, Threads: 1, Prompted: true}
	run := func(i int, recorded []int64) (output, wrote []int64) {
		r := &Request{Input: []int64{int64(i + 1), 5}, Settings: settingsOf(i, 1), Seed: 9, Recorded: recorded}
		r.Wrote = func(token int64) { wrote = append(wrote, token) }
		r.Done = func(outputs []Output) { output = outputs[0].Tokens }
		require.NoError(t, NewGenerator(&scripted{t: t, size: size}, NewGate(1)).Run(t.Context(), []*Request{r}, nil))
		return output, wrote
	}
	for i := range 6 {
		whole, told := run(i, nil)
		require.Equal(t, whole[2:], told)
		for cut := range told {
			again, rest := run(i, told[:cut])
			assert.Equal(t, whole, again, "cut after %d", cut)
			assert.Equal(t, told[cut:], rest, "cut after %d", cut)
		}
	}
}

func TestGenerator_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := NewGenerator(&scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 16, Threads: 1}}, NewGate(1))
	assert.ErrorIs(t, g.Run(ctx, requestsOf(1), nil), context.Canceled)
	assert.NoError(t, g.Run(t.Context(), nil, nil), "nothing to do")
}

func TestGenerator_RefusesWhatTheModelCantTake(t *testing.T) {
	t.Parallel()
	g := NewGenerator(&scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 4, Threads: 1, Prompted: true}}, NewGate(1))
	for name, change := range map[string]func(r *Request){
		"nothing":            func(r *Request) { r.Input = nil },
		"no room":            func(r *Request) { r.Input = []int64{1, 2, 3, 4} },
		"no such token":      func(r *Request) { r.Input = []int64{24} },
		"recorded otherwise": func(r *Request) { r.Recorded = []int64{1, 24} },
		"a forced beginning": func(r *Request) { r.Settings.ForcedBOS = new(int64(-1)) },
		"a forced end":       func(r *Request) { r.Settings.ForcedEOS = bundle.Tokens{1 << 40} },
	} {
		r := requestsOf(1)
		change(r[0])
		err := g.Run(t.Context(), r, nil)
		var e *Error
		assert.ErrorAs(t, err, &e, name)
	}
	g = NewGenerator(&scripted{t: t, size: Dimensions{Vocabulary: 24, Threads: 1}}, NewGate(1))
	r := requestsOf(1)
	r[0].Settings.DecoderStart = -1
	assert.ErrorContains(t, g.Run(t.Context(), r, nil), "begin with")
}

// A model that can't write outputs together is compared one by one.
func TestComparison_RunsOneByOneWhatCantRunTogether(t *testing.T) {
	t.Parallel()
	d := &scripted{t: t, size: Dimensions{Vocabulary: 24, Positions: 16, Threads: 1, Prompted: true, Single: true}}
	d.begun = func(inputs [][]int64) error {
		assert.Len(t, inputs, 1)
		return nil
	}
	c := comparison{settings: settingsOf(0, 2), generator: NewGenerator(d, NewGate(1))}
	outputs, err := c.generate(t.Context(), nil, []int64{1}, []int64{2}, []int64{3})
	require.NoError(t, err)
	for i, o := range outputs {
		assert.Equal(t, int64(i+1), o[0])
	}
}
