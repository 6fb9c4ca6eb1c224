package main

import (
	"fmt"
	"strings"
	"time"

	"parley/bench/paper"
)

// row is one measured rate.
type row struct {
	name, stack, unit string
	runs              []sample
	// each is how many items an operation holds, where items are counted.
	each int
	// half are runs at half of the rate.
	half []sample
	// goal in words; least is the lowest rate and most the highest p99 that
	// reach it.
	goal  string
	least float64
	most  time.Duration
}

// idleRow is what one idle subscription costs, in bytes.
type idleRow struct {
	name                  string
	sockets               int
	resident, heap, stack float64
	goroutines            float64
}

// tokenRow is the translation speed for one size of batch.
type tokenRow struct {
	batch int
	model string
	runs  []sample
}

// report collects the figures.
type report struct {
	o           options
	args        []string
	machine     string
	commit      string
	version     string
	started     time.Time
	took        time.Duration
	rows        []row
	idle        []idleRow
	tokens      []tokenRow
	binary      int64
	startFresh  []time.Duration
	startAgain  []time.Duration
	startMemory []int64
}

func newReport(o options, args []string) *report {
	return &report{o: o, args: args, machine: paper.Machine(), commit: paper.Commit(o.root), version: paper.Version(o.binary), started: time.Now()}
}

// rate is of operations, or of items where they are counted.
func (w row) rate() float64 { return median(w.runs, sample.rate) * float64(max(w.each, 1)) }
func (w row) p50() time.Duration {
	return median(w.runs, func(s sample) time.Duration { return s.p50 })
}
func (w row) p99() time.Duration {
	return median(w.runs, func(s sample) time.Duration { return s.p99 })
}
func (w row) halfP50() time.Duration {
	return median(w.half, func(s sample) time.Duration { return s.p50 })
}
func (w row) halfP99() time.Duration {
	return median(w.half, func(s sample) time.Duration { return s.p99 })
}
func (w row) others() time.Duration {
	return median(w.runs, func(s sample) time.Duration { return s.others })
}
func (w row) server() time.Duration {
	return median(w.runs, func(s sample) time.Duration { return s.server })
}
func (w row) client() time.Duration {
	return median(w.runs, func(s sample) time.Duration { return s.client })
}

// reached tells whether the goal is met, in a word.
func (w row) reached() string {
	switch {
	case w.goal == "":
		return ""
	case w.least > 0 && w.rate() >= w.least, w.most > 0 && w.p99() < w.most:
		return "yes"
	}
	return "**no**"
}

func (r *report) add(w row) {
	r.rows = append(r.rows, w)
	fmt.Printf("%s (%s): %s/s, p50 %s ms, p99 %s ms; CPU per operation: server %s ms, load tool %s ms, others %s ms; load average %s\n", w.name, w.stack,
		paper.Thousands(w.rate()), paper.Millis(w.p50()), paper.Millis(w.p99()), paper.Millis(w.server()), paper.Millis(w.client()), paper.Millis(w.others()), loads(w.runs))
}

func (r *report) addIdle(i idleRow) {
	r.idle = append(r.idle, i)
	fmt.Printf("%s: %.1f KiB resident (heap %.1f, stacks %.1f) and %.2f goroutines each, over %d\n",
		i.name, i.resident/1024, i.heap/1024, i.stack/1024, i.goroutines, i.sockets)
}

func (r *report) addTokens(t tokenRow) {
	r.tokens = append(r.tokens, t)
	fmt.Printf("batch %d: %s tokens/s, CPU %s ms a token\n", t.batch, paper.Thousands(median(t.runs, sample.rate)),
		paper.Millis(median(t.runs, func(s sample) time.Duration { return s.server })))
}

func loads(runs []sample) string {
	all := make([]string, len(runs))
	for i, s := range runs {
		all[i] = fmt.Sprintf("%.1f", s.load)
	}
	return strings.Join(all, " ")
}
