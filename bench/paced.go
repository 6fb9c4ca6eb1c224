package main

import (
	"context"
	"time"
)

// openLoop sends operations at even intervals whatever the answers do, each
// connection every nth of them. A latency counts from the moment at which the
// operation was due, so that a server that stalls is not spared.
func openLoop(ctx context.Context, p *process, conns []*httpConn, perSecond float64, d time.Duration, next func(conn, n int) []byte) (sample, error) {
	interval := time.Duration(float64(time.Second) / perSecond)
	count := int(d / interval)
	return loop(ctx, p, conns, next, func(began time.Time, conn, n int) (time.Time, bool) {
		k := conn + n*len(conns)
		at := began.Add(time.Duration(k) * interval)
		if k < count {
			time.Sleep(time.Until(at))
		}
		return at, k < count
	})
}
