package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// openLoop sends operations at even intervals whatever the answers do, each
// connection every nth of them. A latency counts from the moment at which the
// operation was due, so that a server that stalls is not spared.
func openLoop(ctx context.Context, p *process, conns []*httpConn, perSecond float64, d time.Duration, next func(conn, n int) []byte) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	interval := time.Duration(float64(time.Second) / perSecond)
	count := int(d / interval)
	latencies := make([][]time.Duration, len(conns))
	failed := make(chan error, len(conns))
	var wg sync.WaitGroup
	g := newGauge(p)
	for i, c := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n, k := 0, i; k < count && ctx.Err() == nil; n, k = n+1, k+len(conns) {
				due := g.began.Add(time.Duration(k) * interval)
				time.Sleep(time.Until(due))
				if _, err := c.do(next(i, n)); err != nil {
					failed <- err
					cancel()
					return
				}
				latencies[i] = append(latencies[i], time.Since(due))
			}
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
