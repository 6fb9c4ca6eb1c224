package job

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Forecast is what can be told of a job before it ends.
type Forecast struct {
	// Position is its place among what waits for the same workers, from 1; 0 when it does
	// not wait, or nobody can tell.
	Position int
	// Window is nil without enough measured times.
	Window *Window
}

// Window is when a job will probably end: four of five end inside of theirs.
type Window struct {
	Earliest, Latest time.Time
	// Samples is how many measured times it was made of.
	Samples int
}

// Bounds of forecasts.
const (
	// inside is how many of the jobs are to end inside of their window.
	inside = 0.8
	// leastSamples is how many measured times a window needs, mostSamples how many count,
	// the newest ones.
	leastSamples = 8
	mostSamples  = 64
	// courses is how often what comes is played through, and mostPlayed how many of those
	// in front are played; of more the mean counts.
	courses    = 100
	mostPlayed = 300
)

// outlook is what a forecast is made of.
type outlook struct {
	now time.Time
	// times are how long work of the pool took, in any order.
	times []time.Duration
	// busy are for how long the work that is under way has been so already.
	busy []time.Duration
	// ahead is how many are in front; begun is for how long the job itself is under way, nil
	// while it waits, and not before that time, which is zero for none.
	ahead int
	begun *time.Duration
	after time.Time
}

// window plays through what may come. Times are drawn from those that were measured: those
// of work under way from the longer ones. Two equal outlooks and seeds give equal windows.
func (o outlook) window(seed uint64) *Window {
	n := len(o.times)
	if n < leastSamples {
		return nil
	}
	r := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // chooses courses, no secret
	times, ends := make([]time.Duration, n), make([]time.Duration, courses)
	for i := range ends {
		// What was measured is a few of what could have been: a long queue adds up what
		// its mean is wrong by, so each course has measured something else.
		for at := range times {
			times[at] = o.times[r.IntN(n)]
		}
		slices.Sort(times)
		if o.begun != nil {
			ends[i] = rest(r, times, *o.begun)
		} else {
			ends[i] = max(o.turn(r, times), o.after.Sub(o.now)) + times[r.IntN(n)]
		}
	}
	slices.Sort(ends)
	// Of few measured times the outermost lie less far out than what comes.
	share := min(1, inside*float64(n+1)/float64(n-1))
	at := func(q float64) time.Time {
		return o.now.Add(ends[min(courses-1, max(0, int(q*float64(courses-1)+0.5)))])
	}
	return &Window{Earliest: at((1 - share) / 2), Latest: at((1 + share) / 2), Samples: n}
}

// turn is how long it takes until a worker is free for the job.
func (o outlook) turn(r *rand.Rand, times []time.Duration) time.Duration {
	free := make([]time.Duration, max(1, len(o.busy)))
	for i, elapsed := range o.busy {
		free[i] = rest(r, times, elapsed)
	}
	played := min(o.ahead, mostPlayed)
	for range played {
		free[first(free)] += times[r.IntN(len(times))]
	}
	return free[first(free)] + time.Duration(o.ahead-played)*mean(times)/time.Duration(len(free))
}

// rest is how much longer work takes that is under way for some time.
func rest(r *rand.Rand, times []time.Duration, elapsed time.Duration) time.Duration {
	from, _ := slices.BinarySearch(times, elapsed)
	if from == len(times) { // longer than ever: about as long again as the spread of times
		return time.Duration(r.ExpFloat64() * float64(times[len(times)-1]-times[0]+1))
	}
	return times[from+r.IntN(len(times)-from)] - elapsed
}

func first(free []time.Duration) int {
	at := 0
	for i, d := range free {
		if d < free[at] {
			at = i
		}
	}
	return at
}

func mean(times []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range times {
		sum += d
	}
	return sum / time.Duration(len(times))
}

// interactiveShare is how many interactive runs workers take for one of the bulk lane.
const interactiveShare = 6

// placeOf is how many runs of a pool are in front of one, by the lanes' ids in their order,
// and whether the run is among them.
func placeOf(interactive, bulk []string, run string) (ahead int, found bool) {
	if at, ok := slices.BinarySearchFunc(interactive, run, cmp.Compare[string]); ok {
		return at + min(len(bulk), at/interactiveShare), true
	}
	at, ok := slices.BinarySearchFunc(bulk, run, cmp.Compare[string])
	return at + min(len(interactive), interactiveShare*(at+1)), ok
}
