package job

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// simulate lets jobs arrive at workers that take them in their order, and gives how many
// of the windows had the job's end inside: of those that are shown when it arrives, and once
// more while it is under way.
func simulate(workers int, load float64, duration func(r *rand.Rand) time.Duration) float64 {
	r := rand.New(rand.NewPCG(uint64(workers), uint64(load*100))) //nolint:gosec // a simulation
	var mean time.Duration
	for range 1000 {
		mean += duration(r) / 1000
	}
	type work struct{ begin, end time.Time }
	var all []work
	free := make([]time.Time, workers)
	now, shown, good := time.Unix(0, 0), 0, 0
	show := func(o outlook, seed int, end time.Time) {
		if w := o.window(uint64(seed)); w != nil {
			shown++
			if !end.Before(w.Earliest) && !end.After(w.Latest) {
				good++
			}
		}
	}
	for i := range 300 {
		now = now.Add(time.Duration(r.ExpFloat64() * float64(mean) / float64(workers) / load))
		o := outlook{now: now}
		var ended []work
		for _, w := range all {
			switch {
			case w.begin.After(now):
				o.ahead++
			case w.end.After(now):
				o.busy = append(o.busy, now.Sub(w.begin))
			default:
				ended = append(ended, w)
			}
		}
		slices.SortFunc(ended, func(a, b work) int { return a.end.Compare(b.end) })
		for _, w := range ended[max(0, len(ended)-mostSamples):] {
			o.times = append(o.times, w.end.Sub(w.begin))
		}
		next := 0
		for at := range free {
			if free[at].Before(free[next]) {
				next = at
			}
		}
		one := work{begin: now}
		if free[next].After(now) {
			one.begin = free[next]
		}
		took := duration(r)
		one.end = one.begin.Add(took)
		free[next], all = one.end, append(all, one)
		if len(o.busy) < workers { // it finds a free place
			var zero time.Duration
			o.begun = &zero
		}
		show(o, i, one.end)
		half := time.Duration(r.Float64() * float64(took))
		show(outlook{now: one.begin.Add(half), times: o.times, begun: &half}, i, one.end)
	}
	return float64(good) / float64(shown)
}

// Four of five jobs end inside of the window that is shown, whatever the work is like.
func TestForecastsAreCalibrated(t *testing.T) {
	t.Parallel()
	for name, duration := range map[string]func(r *rand.Rand) time.Duration{
		"alike": func(r *rand.Rand) time.Duration {
			return time.Duration(float64(time.Second) * (1 + 0.1*r.NormFloat64()))
		},
		"skewed": func(r *rand.Rand) time.Duration {
			return time.Duration(float64(time.Second) * math.Exp(0.7*r.NormFloat64()))
		},
		"two": func(r *rand.Rand) time.Duration {
			return []time.Duration{time.Second, 8 * time.Second}[r.IntN(5)/4] + time.Duration(r.IntN(1e8))
		},
	} {
		for _, workers := range []int{1, 4} {
			for _, load := range []float64{0.7, 1.1} {
				share := simulate(workers, load, duration)
				t.Logf("%s, %d workers, load %.1f: %.3f inside", name, workers, load, share)
				assert.InDelta(t, inside, share, 0.08, "%s, %d workers, load %.1f", name, workers, load)
			}
		}
	}
}

func TestAPlaceCountsTheSharesOfTheLanes(t *testing.T) {
	t.Parallel()
	interactive, bulk := []string{"a", "b", "c", "d", "e", "f", "g", "h"}, []string{"i", "j"}
	for run, want := range map[string]int{"a": 0, "f": 5, "g": 7, "h": 8, "i": 6, "j": 9} {
		ahead, found := placeOf(interactive, bulk, run)
		assert.True(t, found, run)
		assert.Equal(t, want, ahead, run)
	}
	_, found := placeOf(interactive, bulk, "z")
	assert.False(t, found)
}

func TestWithoutMeasuredTimesThereIsNoWindow(t *testing.T) {
	t.Parallel()
	o := outlook{now: time.Unix(0, 0), ahead: 3}
	for i := range leastSamples {
		assert.Nil(t, o.window(1))
		o.times = append(o.times, time.Second+time.Duration(i)*time.Millisecond)
	}
	w := o.window(1)
	require.NotNil(t, w)
	assert.Equal(t, w, o.window(1), "whoever asks again is told the same")
	assert.Equal(t, leastSamples, w.Samples)
	// Longer under way than anything before: it still ends some time.
	long := time.Hour
	o.begun = &long
	assert.True(t, o.window(1).Latest.After(o.now))
	// Many in front cost no more than some.
	o.begun, o.ahead = nil, 9000
	assert.True(t, o.window(1).Earliest.After(o.now))
}
