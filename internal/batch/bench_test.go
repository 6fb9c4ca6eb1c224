package batch_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"parley/internal/batch"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// BenchmarkDo measures rows inserted by 64 concurrent callers: shared
// transactions beside one for each call.
func BenchmarkDo(b *testing.B) {
	for _, dialect := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.Postgres}} {
		for _, size := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d_a_call/shared", dialect.name, size), func(b *testing.B) {
				s := dbtest.Open(b, dialect.url(b))
				var flushes atomic.Int64
				w := batch.New(s, batch.Config[row, int64]{
					Key: func(r row) string { return r.id }, Commit: inserting(s), Observe: func(batch.Flush) { flushes.Add(1) },
				})
				measure(b, s, size, func(ctx context.Context, rows []row) error {
					results, err := w.Do(ctx, rows...)
					for _, r := range results {
						if r.Err != nil {
							return r.Err
						}
					}
					return err
				})
				b.ReportMetric(float64(b.N*size)/float64(flushes.Load()), "items/tx")
			})
			b.Run(fmt.Sprintf("%s/%d_a_call/alone", dialect.name, size), func(b *testing.B) {
				s := dbtest.Open(b, dialect.url(b))
				measure(b, s, size, func(ctx context.Context, rows []row) error {
					return s.Tx(ctx, func(ctx context.Context) error { return insert(ctx, s, rows) })
				})
			})
		}
	}
}

// measure makes b.N calls from 64 callers.
func measure(b *testing.B, s *store.Store, size int, write func(context.Context, []row) error) {
	createRows(b, s)
	b.ReportAllocs()
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		callers.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				rows := make([]row, size)
				for i := range rows {
					rows[i] = row{id: fmt.Sprintf("%d-%d", n, i), size: n}
				}
				if err := write(b.Context(), rows); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "items/s")
}
