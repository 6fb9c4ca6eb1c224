package main

import (
	"context"
	"slices"
	"time"

	"parley/bench/paper"

	"golang.org/x/sync/errgroup"
)

// sample is what one run gave.
type sample struct {
	ops  int
	took time.Duration
	// p50 and p99 are of the operations' latencies.
	p50, p99 time.Duration
	// server and client are the CPU time that an operation cost them.
	server, client time.Duration
	// others is the CPU time of everything else on the machine, the database
	// above all.
	others time.Duration
	// load is the machine's load average over a minute before the run.
	load float64
}

func (s sample) rate() float64 { return float64(s.ops) / s.took.Seconds() }

// gauge measures CPU around a run.
type gauge struct {
	p              *process
	server, client time.Duration
	machine        time.Duration
	began          time.Time
	load           float64
}

func newGauge(p *process) gauge {
	return gauge{p: p, server: p.cpu(), client: paper.OwnCPU(), machine: machineCPU(), began: time.Now(), load: paper.LoadAverage()}
}

// sample ends the run.
func (g gauge) sample(latencies []time.Duration) sample {
	s := sample{ops: len(latencies), took: time.Since(g.began), load: g.load}
	if s.ops == 0 {
		return s
	}
	s.server = (g.p.cpu() - g.server) / time.Duration(s.ops)
	s.client = (paper.OwnCPU() - g.client) / time.Duration(s.ops)
	s.others = max((machineCPU()-g.machine)/time.Duration(s.ops)-s.server-s.client, 0)
	slices.Sort(latencies)
	s.p50, s.p99 = quantile(latencies, 0.5), quantile(latencies, 0.99)
	return s
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// median of a field over runs.
func median[T int64 | float64 | time.Duration](runs []sample, field func(sample) T) T {
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = field(r)
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

// closedLoop lets every connection send its next operation once the last was
// answered, for a time. next gives the body for a connection's nth operation.
func closedLoop(ctx context.Context, p *process, conns []*httpConn, d time.Duration, next func(conn, n int) []byte) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return loop(ctx, p, conns, next, func(time.Time, int, int) (time.Time, bool) { return time.Now(), true })
}

// loop sends operations on all connections at once until ctx ends or one fails.
// due waits until a connection may send its nth and gives the time from which
// its latency counts, or false after the last; began is when the loop did.
func loop(ctx context.Context, p *process, conns []*httpConn, next func(conn, n int) []byte,
	due func(began time.Time, conn, n int) (time.Time, bool),
) (sample, error) {
	latencies := make([][]time.Duration, len(conns))
	all, ctx := errgroup.WithContext(ctx)
	g := newGauge(p)
	for i, c := range conns {
		all.Go(func() error {
			took := make([]time.Duration, 0, 1<<14)
			defer func() { latencies[i] = took }()
			for n := 0; ctx.Err() == nil; n++ {
				at, more := due(g.began, i, n)
				if !more {
					break
				}
				if _, err := c.do(next(i, n)); err != nil {
					return err
				}
				took = append(took, time.Since(at))
			}
			return nil
		})
	}
	err := all.Wait()
	return g.sample(slices.Concat(latencies...)), err
}
