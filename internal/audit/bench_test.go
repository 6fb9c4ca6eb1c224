package audit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/testkit/dbtest"
)

// BenchmarkWrite measures 64 readers that each write down one page after the
// other.
func BenchmarkWrite(b *testing.B) {
	for _, dialect := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.Postgres}} {
		for _, size := range []int64{10, 100} {
			b.Run(fmt.Sprintf("%s/pages_of_%d", dialect.name, size), func(b *testing.B) {
				s := dbtest.Open(b, dialect.url(b))
				var transactions, next atomic.Int64
				l := audit.New(s, time.Hour, func(batch.Flush) { transactions.Add(1) })
				ctx := as(b, "user_01JABCDEFGHJKMNPQRSTVWXYZ0", auth.RoleAnalyst)
				var readers sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range 64 {
					readers.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							if err := l.Write(ctx, audit.List, numbers(n, size)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				readers.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
				b.ReportMetric(float64(b.N)/float64(transactions.Load()), "entries/tx")
			})
		}
	}
}
