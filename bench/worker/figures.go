package main

import (
	"slices"
	"time"
)

// run is what one system did in one round.
type run struct {
	// units are what rates count: tokens, texts, bytes.
	units int
	took  time.Duration
	// cpu is user and system time of the whole process.
	cpu time.Duration
	// first is when the first token was there, 0 where that is not measured.
	first time.Duration
}

// rate is in units a second.
func (r run) rate() float64 {
	if r.took <= 0 {
		return 0
	}
	return float64(r.units) / r.took.Seconds()
}

// later is the rate of the units behind the first one, 0 where none is known.
func (r run) later() float64 {
	if r.first <= 0 || r.took <= r.first {
		return 0
	}
	return float64(r.units-1) / (r.took - r.first).Seconds()
}

// each is the CPU time of a unit, in milliseconds.
func (r run) each() float64 {
	if r.units == 0 {
		return 0
	}
	return r.cpu.Seconds() * 1000 / float64(r.units)
}

// series are the runs of one system, one a round.
type series struct {
	system string
	runs   []run
}

func (s series) median(field func(run) float64) float64 {
	values := make([]float64, len(s.runs))
	for i, r := range s.runs {
		values[i] = field(r)
	}
	return median(values)
}

// median is the middle one, or the mean of both in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// ratio is the median over the rounds of what a field of ours is to that of theirs in
// the same round, so that what slows a round down falls out. 0 tells that there is none.
func ratio(ours, theirs series, field func(run) float64) float64 {
	var all []float64
	for i := range min(len(ours.runs), len(theirs.runs)) {
		if under := field(theirs.runs[i]); under > 0 {
			all = append(all, field(ours.runs[i])/under)
		}
	}
	return median(all)
}

// quantile of durations, by the nearest rank.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
