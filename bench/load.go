package main

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
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
	return gauge{p: p, server: p.cpu(), client: ownCPU(), machine: machineCPU(), began: time.Now(), load: loadAverage()}
}

// sample ends the run.
func (g gauge) sample(latencies []time.Duration) sample {
	s := sample{ops: len(latencies), took: time.Since(g.began), load: g.load}
	if s.ops == 0 {
		return s
	}
	s.server = (g.p.cpu() - g.server) / time.Duration(s.ops)
	s.client = (ownCPU() - g.client) / time.Duration(s.ops)
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

// loadAverage is that of the last minute, 0 where the system tells none.
func loadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), " ")
	value, _ := strconv.ParseFloat(first, 64)
	return value
}

// closedLoop lets every connection send its next operation once the last was
// answered, for a time. next gives the body for a connection's nth operation.
func closedLoop(ctx context.Context, p *process, conns []*httpConn, d time.Duration, next func(conn, n int) []byte) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	latencies := make([][]time.Duration, len(conns))
	failed := make(chan error, len(conns))
	var wg sync.WaitGroup
	g := newGauge(p)
	for i, c := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			all := make([]time.Duration, 0, 1<<14)
			for n := 0; ctx.Err() == nil; n++ {
				began := time.Now()
				if _, err := c.do(next(i, n)); err != nil {
					failed <- err
					return
				}
				all = append(all, time.Since(began))
			}
			latencies[i] = all
		}()
	}
	wg.Wait()
	s := g.sample(slices.Concat(latencies...))
	select {
	case err := <-failed:
		return s, err
	default:
		return s, nil
	}
}
