package decoder

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// readerOf is the reader of a causal model.
func readerOf(m Model) *reader {
	switch m := m.(type) {
	case *concatenated:
		return &m.reader
	case *shared:
		return &m.reader
	}
	return nil
}

// eachLayout opens a model of each layout of caches, which reads parts of 16.
func eachLayout(t *testing.T, test func(t *testing.T, m Model, settings bundle.Generation)) {
	t.Helper()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	for name, dir := range map[string]string{"concatenated": testkit.Shared(t, "models", "random", "gpt2-random"), "shared": filepath.Join("testdata", "shared-caches")} {
		t.Run(name, func(t *testing.T) {
			b, err := bundle.Open(dir)
			require.NoError(t, err)
			m, err := OpenCausal(b, 1)
			require.NoError(t, err)
			defer func() { assert.NoError(t, m.Close()) }()
			readerOf(m).part = 16
			settings, err := b.Generation.With(json.RawMessage(`{"num_beams": 1, "do_sample": true, "max_new_tokens": 14}`))
			require.NoError(t, err)
			settings.EOS = nil
			test(t, m, settings)
		})
	}
}

// promptFor is a prompt of n tokens, another one for each i.
func promptFor(i, n int) []int64 {
	ids := make([]int64, n)
	for at := range ids {
		ids[at] = int64(5 + (at*7+i*13)%100)
	}
	return ids
}

// permutations are all orders of n things.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return all
}

// Long and short prompts whose parts take turns, come in whatever order and at whatever
// moment, go on as each alone.
func TestPromptsThatTakeTurnsGoOnAsAlone(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		lengths := []int{90, 3, 70, 17}
		request := func(i int, recorded []int64, outputs [][]int64) *pipeline.Request {
			settings := settings
			if i == 1 {
				settings.NumBeams, settings.DoSample, recorded = 3, false, nil
			}
			return &pipeline.Request{Input: promptFor(i, lengths[i]), Settings: settings, Seed: uint64(i), Recorded: recorded, Done: func(o []pipeline.Output) { outputs[i] = o[0].Tokens }}
		}
		g := pipeline.NewGenerator(m, pipeline.NewGate(1))
		alone := make([][]int64, len(lengths))
		for i := range lengths {
			require.NoError(t, g.Run(t.Context(), []*pipeline.Request{request(i, nil, alone)}, nil))
			require.Len(t, alone[i], lengths[i]+14)
		}
		for _, order := range permutations(len(lengths)) {
			for _, pause := range []int{0, 1, 3} {
				outputs := make([][]int64, len(lengths))
				next, asked := 0, 0
				more := func() []*pipeline.Request {
					asked++
					if next == len(order) || asked%(pause+1) != 0 {
						return nil
					}
					i := order[next]
					next++
					// Every second one goes on behind what an earlier attempt wrote.
					var recorded []int64
					if next%2 == 0 {
						recorded = alone[i][lengths[i] : lengths[i]+next]
					}
					return []*pipeline.Request{request(i, recorded, outputs)}
				}
				for next < len(order) {
					require.NoError(t, g.Run(t.Context(), more(), more))
				}
				require.Equal(t, alone, outputs, "order %v, %d steps apart", order, pause)
			}
		}
	})
}

// Wherever an attempt ended while prompts took turns, all of them go on to the same end.
func TestPromptsThatTakeTurnsAreCutAnywhere(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		lengths := []int{60, 5, 33}
		g := pipeline.NewGenerator(m, pipeline.NewGate(1))
		// run writes all of them behind what is recorded, and ends after so many rounds.
		run := func(recorded [][]int64, rounds int) (outputs, written [][]int64) {
			outputs, written = make([][]int64, len(lengths)), make([][]int64, len(lengths))
			var all []*pipeline.Request
			for i, n := range lengths {
				written[i] = slices.Clone(recorded[i])
				all = append(all, &pipeline.Request{
					Input: promptFor(i, n), Settings: settings, Seed: uint64(i), Recorded: recorded[i],
					Dropped: func() bool { return rounds < 0 },
					Wrote:   func(token int64) { written[i] = append(written[i], token) },
					Done:    func(o []pipeline.Output) { outputs[i] = o[0].Tokens },
				})
			}
			next := 1
			require.NoError(t, g.Run(t.Context(), all[:1], func() []*pipeline.Request {
				rounds--
				if next == len(all) || rounds < 0 {
					return nil
				}
				next++
				return all[next-1 : next]
			}))
			return outputs, written
		}
		want, _ := run(make([][]int64, len(lengths)), 1000)
		for cut := range 24 {
			_, written := run(make([][]int64, len(lengths)), cut)
			got, _ := run(written, 1000)
			assert.Equal(t, want, got, "cut after %d rounds with %v", cut, written)
		}
	})
}

// parts reads on and tells whose prompt each part was of, until everything is read.
func parts(t *testing.T, m Model, names map[*pipeline.Request]string, come map[int]*pipeline.Request) []string {
	t.Helper()
	r := readerOf(m)
	var order []string
	for step := 0; ; step++ {
		if q := come[step]; q != nil {
			require.NoError(t, m.Read([]*pipeline.Request{q}))
		}
		if len(r.prompts) == 0 {
			return order
		}
		order = append(order, names[r.prompts[r.turn()].requests[0]])
		_, _, err := m.ReadOn(t.Context())
		require.NoError(t, err)
	}
}

// A short prompt has its turn between two parts of a long one, and whatever comes, the one
// that came first has a part for each that others have.
func TestShortPromptsGoFirstAndLongOnesGoOn(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		request := func(i, n int) *pipeline.Request {
			return &pipeline.Request{Input: promptFor(i, n), Settings: settings}
		}
		long, other, short, small := request(0, 80), request(1, 64), request(2, 5), request(3, 7)
		names := map[*pipeline.Request]string{long: "long", other: "other", short: "short", small: "small"}
		got := parts(t, m, names, map[int]*pipeline.Request{0: long, 2: short, 3: small})
		assert.Equal(t, []string{"long", "long", "short", "small", "long", "long", "long"}, got)
		m.Reset()
		got = parts(t, m, names, map[int]*pipeline.Request{0: long, 1: other, 4: short})
		assert.Equal(t, []string{"long", "long", "long", "long", "short", "long", "other", "other", "other", "other"}, got, "the least is left of the one that came first")
		m.Reset()
		got = parts(t, m, names, map[int]*pipeline.Request{0: other, 1: small, 2: long})
		assert.Equal(t, []string{"other", "small", "other", "other", "other", "long", "long", "long", "long", "long"}, got)
		m.Reset()
		// Without the bound the long one would be read last.
		come := map[int]*pipeline.Request{0: long}
		for i := 1; i < 12; i++ {
			come[i] = request(3+i, 16)
		}
		got = parts(t, m, names, come)
		assert.Equal(t, []string{"long", "", "long", "", "long", "", "long", "long"}, got[:8], "at the end less is left of it")
		m.Reset()
	})
}

// The first token behind a short prompt comes before that behind a long one which is under
// way, and rows that write have a step between any two parts.
func TestFirstTokensComeBetweenPartsOfLongPrompts(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		var wrote []string
		request := func(i, n, tokens int, name string) *pipeline.Request {
			s := settings
			s.MaxNewTokens = &tokens
			return &pipeline.Request{Input: promptFor(i, n), Settings: s, Wrote: func(int64) { wrote = append(wrote, name) }}
		}
		come := map[int]*pipeline.Request{4: request(1, 90, 3, "long"), 7: request(2, 6, 3, "short")}
		w := &watched{Model: m}
		round := 0
		require.NoError(t, pipeline.NewGenerator(w, pipeline.NewGate(1)).Run(t.Context(), []*pipeline.Request{request(0, 8, 40, "row")}, func() []*pipeline.Request {
			round++
			if q := come[round]; q != nil {
				return []*pipeline.Request{q}
			}
			return nil
		}))
		first, last := slices.Index(wrote, "short"), len(wrote)-1-slices.Index(reversed(wrote), "short")
		assert.Less(t, last, slices.Index(wrote, "long"), "the short text ended first")
		assert.Equal(t, []string{"row", "short"}, wrote[first-1:first+1])
		// The row waits for one part in front of each of its steps, no more.
		assert.NotContains(t, fmt.Sprint(w.events), "part part")
		assert.Equal(t, 8, count(w.events, "part"), "%v", w.events)
		between := w.events[slices.Index(w.events, "step"):]
		between = between[slices.Index(between, "part"):]
		assert.Equal(t, []string{"part", "step", "part", "step", "part", "step", "part", "step"}, between[:8], "part of the long one, and of the short one")
	})
}

// A model whose rows would change each other's numbers has one prompt or row at a time.
func TestSingleModelsTakeOneAtATime(t *testing.T) {
	eachLayout(t, func(t *testing.T, m Model, settings bundle.Generation) {
		readerOf(m).size.Single = true
		one := []*pipeline.Request{{Input: promptFor(0, 20), Settings: settings}}
		other := []*pipeline.Request{{Input: promptFor(1, 3), Settings: settings}}
		assert.ErrorContains(t, m.Read(slices.Concat(one, other)), "can't share")
		require.NoError(t, m.Read(one))
		for m.Reads() {
			assert.False(t, m.Accepts())
			assert.ErrorContains(t, m.Read(other), "can't share")
			_, _, err := m.ReadOn(t.Context())
			require.NoError(t, err)
		}
		assert.False(t, m.Accepts(), "its row is to join")
		ok, err := m.Join(one)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.False(t, m.Accepts(), "there is a row")
		require.NoError(t, m.Arrange(nil, nil))
		assert.True(t, m.Accepts())
		require.NoError(t, m.Read(other))
		m.Reset()
	})
}

func reversed(all []string) []string {
	all = slices.Clone(all)
	slices.Reverse(all)
	return all
}

func count(all []string, what string) int {
	n := 0
	for _, s := range all {
		if s == what {
			n++
		}
	}
	return n
}
