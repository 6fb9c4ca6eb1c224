package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/bench/worker/llama"
	"parley/internal/testkit"
	"parley/worker/tokenizer"
)

func TestTheMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	assert.Zero(t, median(nil))
	assert.Equal(t, 2.0, median([]float64{3, 1, 2}))
	assert.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	assert.Equal(t, time.Duration(3), quantile([]time.Duration{4, 2, 1, 3}, 0.5))
	assert.Equal(t, time.Duration(4), quantile([]time.Duration{4, 2, 1, 3}, 0.99))
}

func TestRatesCountWhatIsBehindTheFirst(t *testing.T) {
	t.Parallel()
	r := run{units: 11, took: 3 * time.Second, first: time.Second, cpu: 22 * time.Millisecond}
	assert.InDelta(t, 3.667, r.rate(), 0.001)
	assert.InDelta(t, 5, r.later(), 1e-9)
	assert.InDelta(t, 2, r.each(), 1e-9)
	assert.Zero(t, run{}.rate()+run{}.later()+run{}.each())
	assert.Zero(t, run{units: 5, took: time.Second}.later(), "the first was not measured")
}

// A slow round is slow for both, and does not show in the ratio.
func TestARatioIsThatOfTheSameRound(t *testing.T) {
	t.Parallel()
	second := func(units ...int) series {
		var s series
		for _, u := range units {
			s.runs = append(s.runs, run{units: u, took: time.Second})
		}
		return s
	}
	assert.InDelta(t, 2, ratio(second(200, 20, 210), second(100, 10, 100), run.rate), 1e-9)
	assert.Zero(t, ratio(second(1), series{}, run.rate))
	assert.InDelta(t, 3, ratio(second(3, 5), second(1), run.rate), 1e-9, "only rounds that both have")
}

func TestMappingsAreSortedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	got := readMaps(`00403000-021d2000 r-xp 00003000 08:01 5 /opt/parley
Rss:                 100 kB
045e5000-04700000 rw-p 00000000 00:00 0
Rss:                   4 kB
14a103c00000-14a107000000 rw-p 00000000 00:00 0
Rss:                  30 kB
7ff320000000-7ff323d57000 rw-p 00000000 00:00 0
Rss:                  20 kB
7ff330d3c000-7ff332fc9000 r-xp 00000000 08:01 7 /opt/libonnxruntime.so.1
Rss:                  10 kB
7ff340000000-7ff340001000 r--p 00000000 08:01 9 /usr/lib/libc.so.6
Rss:                   2 kB
`, "/opt/parley")
	assert.Equal(t, map[string]int64{
		total: 166 << 10, "parley's code and constants": 104 << 10, "Go heap": 30 << 10,
		"C heap and other anonymous memory": 20 << 10, "ONNX Runtime's library": 10 << 10, "other files": 2 << 10,
	}, got)
	for kind := range got {
		assert.Contains(t, memoryKinds, kind)
	}
}

func TestPromptsHaveTheirLength(t *testing.T) {
	t.Parallel()
	words, err := tokenizer.Open(testkit.Root() + "/models/caption-mini")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, length := range []int{1, 32, 512} {
		for seed := range uint64(3) {
			text, err := promptOf(words, length, seed)
			require.NoError(t, err)
			assert.Len(t, words.Encode(text), length)
			seen[text] = true
		}
	}
	assert.Greater(t, len(seen), 6)
}

func TestEqualRowsAreCounted(t *testing.T) {
	t.Parallel()
	equal, all := equalRows([][]int64{{1, 2}, {3}, nil}, [][]int64{{1, 2}, {4}, nil, {5}})
	assert.Equal(t, 2, equal)
	assert.Equal(t, 4, all)
	assert.InDelta(t, 1, cosine([]float32{1, 2}, []float32{2, 4}), 1e-9)
	assert.Zero(t, cosine([]float32{1}, []float32{1, 0}))
}

// What was not measured leaves no table, and each goal says whether it is reached.
func TestTheSectionHoldsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	r := &report{machine: "a machine", versions: map[string]string{"transformers.js": "4"}, o: options{threads: 2, quick: true}}
	r.lacks("pictures: no model")
	r.lacks("pictures: no model")
	empty := r.markdown()
	assert.NotContains(t, empty, "| ")
	assert.Equal(t, 1, strings.Count(empty, "Not measured: pictures"))
	assert.Contains(t, empty, "rough")
	at := func(units int) run { return run{units: units, took: 2 * time.Second, first: time.Second} }
	r.writing = []*writingRow{{
		writingCase: writingCase{prompt: 32, batch: 1, tokens: 31, rounds: 1}, layout: llama.Shared, precision: llama.Four, equal: 1, total: 1,
		series: []series{{parley, []run{at(31)}}, {transformers, []run{at(16)}}, {transformersCalm, []run{at(26)}}},
	}}
	r.memory = []*memoryRow{{ready: map[string]int64{total: 90 << 20}, after: map[string]int64{total: 200 << 20}}}
	r.translation = []*translationRow{
		{beams: 1, batch: 1, series: []series{{parley, []run{at(100)}}}}, {beams: 1, batch: 32, series: []series{{parley, []run{at(390)}}}},
	}
	text := r.markdown()
	assert.Contains(t, text, "| tokens behind the first, caches shared, q4, prompt of 32: to transformers.js, 1.5 times | 1.20 | **no** |")
	assert.Contains(t, text, "| translations, 1 beams, batch 32: to one by one, 4.0 times | 3.90 | **no** |")
	assert.Contains(t, text, "at most | 200 MiB | **no** |")
	assert.Contains(t, text, "| shared, q4 | 32 | 1 | 31 | 15.5 | 8.0 | 1.94 | 13.0 | 1.19 | 30.0 | 15.0 | 2.00 |")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| --- |") {
			assert.NotContains(t, line, "||")
		}
	}
}
