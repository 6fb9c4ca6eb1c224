package decoder_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
)

// bench is a loaded bundle with its reference.
type bench struct {
	bundle    *bundle.Bundle
	generator *pipeline.Generator
	reference *pipeline.Reference
}

// bundles are those of the shared models that write.
var bundles = []string{
	"translate-mini", "random/marian-random", "random/nllb-random", "random/t5-random",
	"random/gpt2-random", "random/qwen2-random", "caption-mini", "shared-caches",
}

func load(t testing.TB, name string) *bench {
	t.Helper()
	dir := filepath.Join("testdata", name)
	if name != "shared-caches" {
		dir = testkit.Shared(t, "models", name)
	}
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	l := &bench{bundle: b}
	var m decoder.Model
	if b.Kind == bundle.KindCausal {
		m, err = decoder.OpenCausal(b, 2)
	} else {
		m, err = decoder.OpenSeq2seq(b, 2)
	}
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	l.generator = pipeline.NewGenerator(m, pipeline.NewGate(1))
	l.reference, err = pipeline.ReadReference(dir)
	require.NoError(t, err)
	return l
}

// request is one for a case of the reference, whose output goes to into.
func (l *bench) request(t testing.TB, raw json.RawMessage, input []int64, into *[]int64) *pipeline.Request {
	t.Helper()
	settings, err := l.bundle.Generation.With(raw)
	require.NoError(t, err)
	return &pipeline.Request{Input: input, Settings: settings, Done: func(o []pipeline.Output) { *into = o[0].Tokens }}
}

func (l *bench) run(t testing.TB, requests []*pipeline.Request, more func() []*pipeline.Request) {
	t.Helper()
	require.NoError(t, l.generator.Run(t.Context(), requests, more))
}

func eachBundle(t *testing.T, test func(t *testing.T, l *bench)) {
	for _, name := range bundles {
		t.Run(name, func(t *testing.T) { test(t, load(t, name)) })
	}
}

func TestEveryCaseEqualsTheReference(t *testing.T) {
	eachBundle(t, func(t *testing.T, l *bench) {
		require.NotEmpty(t, l.reference.Cases, "no cases")
		step := 1
		if len(l.reference.Cases) > 100 {
			step = 4 // all of them run together below, and alone in the test of models verify
		}
		for i, c := range append(l.reference.Cases, chats(l.reference)...) {
			if i%step != 0 {
				continue
			}
			var got []int64
			l.run(t, []*pipeline.Request{l.request(t, c.Settings, c.InputIDs, &got)}, nil)
			assert.Equal(t, c.Output, got, "%q with %s", c.Input, c.Settings)
		}
	})
}

// chats are the references of chats as cases.
func chats(r *pipeline.Reference) []pipeline.ReferenceCase {
	var all []pipeline.ReferenceCase
	for _, c := range r.Chats {
		all = append(all, pipeline.ReferenceCase{Input: c.Prompt, InputIDs: c.InputIDs, Settings: c.Settings, Output: c.Output})
	}
	return all
}

// All cases run together, whatever their lengths and settings, some from the start and
// the others as there is room, and each comes out as the reference has it alone.
func TestCompanyChangesNothing(t *testing.T) {
	eachBundle(t, func(t *testing.T, l *bench) {
		random := rand.New(rand.NewPCG(1, 1))
		rounds := 2
		if len(l.reference.Cases) > 100 {
			rounds = 1
		}
		for round := range rounds {
			cases := append([]pipeline.ReferenceCase(nil), l.reference.Cases...)
			random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
			outputs := make([][]int64, len(cases))
			next := 0
			take := func(n int) []*pipeline.Request {
				var all []*pipeline.Request
				for ; n > 0 && next < len(cases); n-- {
					all = append(all, l.request(t, cases[next].Settings, cases[next].InputIDs, &outputs[next]))
					next++
				}
				return all
			}
			l.run(t, take(1+random.IntN(9)), func() []*pipeline.Request { return take(random.IntN(4)) })
			l.run(t, take(len(cases)), nil)
			for i, c := range cases {
				assert.Equal(t, c.Output, outputs[i], "round %d: %q with %s", round, c.Input, c.Settings)
			}
		}
	})
}

// Sampled outputs follow from input, settings and seed alone, whoever else is there.
func TestSamplesDependOnTheirSeedAlone(t *testing.T) {
	eachBundle(t, func(t *testing.T, l *bench) {
		var requests []*pipeline.Request
		outputs := map[string][][]int64{}
		for round := range 2 {
			for i, c := range l.reference.Cases[:4] {
				for _, settings := range []string{
					`{"num_beams": 1, "do_sample": true, "max_new_tokens": 20}`,
					`{"num_beams": 1, "do_sample": true, "max_new_tokens": 14, "temperature": 0.8, "top_k": 0, "top_p": 0.9}`,
					`{"num_beams": 1, "do_sample": true, "max_new_tokens": 17, "min_p": 0.02, "typical_p": 0.9, "repetition_penalty": 1.2}`,
				} {
					g, err := l.bundle.Generation.With(json.RawMessage(settings))
					require.NoError(t, err)
					key := fmt.Sprint(i, settings)
					r := &pipeline.Request{Input: c.InputIDs, Settings: g, Seed: uint64(i), Sequence: 1}
					r.Done = func(o []pipeline.Output) { outputs[key] = append(outputs[key], o[0].Tokens) }
					if round == 0 {
						l.run(t, []*pipeline.Request{r}, nil)
					} else {
						requests = append(requests, r)
					}
				}
			}
		}
		later := requests[5:]
		l.run(t, requests[:5], func() []*pipeline.Request {
			n := min(3, len(later))
			next := later[:n]
			later = later[n:]
			return next
		})
		distinct := map[string]bool{}
		for key, pair := range outputs {
			require.Len(t, pair, 2)
			assert.Equal(t, pair[0], pair[1], key)
			distinct[fmt.Sprint(pair[0])] = true
		}
		assert.Greater(t, len(distinct), len(outputs)/3, "the samples are all alike")
	})
}

// What was written goes on to the same end, to the last token, wherever it was cut.
func TestRecordedOutputsGoOn(t *testing.T) {
	eachBundle(t, func(t *testing.T, l *bench) {
		origin := 1
		for i, c := range l.reference.Cases[:4] {
			g, err := l.bundle.Generation.With(json.RawMessage(`{"num_beams": 1, "do_sample": true, "max_new_tokens": 24}`))
			require.NoError(t, err)
			g.DoSample = i%2 == 0
			if l.generator.Dimensions().Prompted {
				origin = len(c.InputIDs)
			}
			var whole []int64
			r := pipeline.Request{Input: c.InputIDs, Settings: g, Seed: 3, Done: func(o []pipeline.Output) { whole = o[0].Tokens }}
			l.run(t, []*pipeline.Request{&r}, nil)
			for cut := 0; cut < len(whole)-origin; cut += 3 {
				again := r
				var got []int64
				again.Recorded = whole[origin : origin+cut]
				again.Done = func(o []pipeline.Output) { got = o[0].Tokens }
				l.run(t, []*pipeline.Request{&again}, nil)
				assert.Equal(t, whole, got, "cut after %d tokens", cut)
			}
		}
	})
}

// Rows that are dropped inside a run leave the others as they are.
func TestDroppedRowsLeaveTheOthers(t *testing.T) {
	for _, name := range []string{"translate-mini", "random/qwen2-random"} {
		l := load(t, name)
		var requests []*pipeline.Request
		cases := l.reference.Cases[:18]
		outputs, asked := make([][]int64, len(cases)), make([]int, len(cases))
		for i, c := range cases {
			r := l.request(t, c.Settings, c.InputIDs, &outputs[i])
			r.Dropped = func() bool { asked[i]++; return i%3 == 1 && asked[i] > i%2 }
			requests = append(requests, r)
		}
		l.run(t, requests, nil)
		for i, c := range cases {
			if i%3 == 1 {
				// It may have ended before it was dropped.
				assert.LessOrEqual(t, len(outputs[i]), len(c.InputIDs)+2, "output %d was dropped and went on", i)
			} else {
				assert.Equal(t, c.Output, outputs[i], "%q", c.Input)
			}
		}
	}
}
