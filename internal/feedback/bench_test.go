package feedback_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/batch"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/testkit/dbtest"
)

// The load of the benchmarks: that of the system before, whose rates they are compared
// with.
const (
	benchStickers = 657
	benchQueries  = 100
	benchCallers  = 32
	benchVotes    = 5 // stickers of an item
)

func onBenchDatabases(b *testing.B, run func(b *testing.B, url string)) {
	for _, dialect := range []struct {
		name string
		url  func(testing.TB) string
	}{{"postgres", dbtest.Postgres}, {"sqlite", dbtest.SQLite}} {
		b.Run(dialect.name, func(b *testing.B) { run(b, dialect.url(b)) })
	}
}

// concurrently makes b.N calls from benchCallers callers and reports items a second.
func concurrently(b *testing.B, items int, call func(caller int, r *rand.Rand) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for caller := range benchCallers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(caller), 1)) //nolint:gosec // a load, no secret
			for next.Add(1) <= int64(b.N) {
				if err := call(caller, r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*items)/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkReportFeedback reports items of five stickers each, in calls of one and of
// twenty: 32 callers, each for many people, whose votes are new or changed.
func BenchmarkReportFeedback(b *testing.B) {
	onBenchDatabases(b, func(b *testing.B, url string) {
		for _, items := range []int{1, 20} {
			b.Run(fmt.Sprintf("%d_a_call", items), func(b *testing.B) {
				var flushes atomic.Int64
				r := newRoom(b, dbtest.Open(b, url), feedback.Config{Observe: func(batch.Flush) { flushes.Add(1) }})
				prefix := fmt.Sprint(items, time.Now().UnixNano(), "-")
				ids := make([]string, benchStickers)
				for i := range ids {
					ids[i] = r.sticker(fmt.Sprint(prefix, i, ".png"))
				}
				concurrently(b, items, func(caller int, rnd *rand.Rand) error {
					in := feedback.ReportInput{Items: make([]*feedback.Item, items)}
					for i := range in.Items {
						at := rnd.IntN(len(ids) - benchVotes)
						in.Items[i] = item(fmt.Sprint("query ", i, " ", rnd.IntN(benchQueries)), ids[at:at+3], ids[at+3:at+benchVotes])
					}
					_, err := r.Report(person(b, fmt.Sprintf("user_%d_%d", caller, rnd.IntN(1000))), in)
					return err
				})
				if n := flushes.Load(); n > 0 {
					b.ReportMetric(float64(b.N)/float64(n), "calls/tx")
				}
			})
		}
	})
}

// BenchmarkSearchFeedbackPage reads the page of a query with 20 stickers out of 100 such
// queries, joined with query and stickers.
func BenchmarkSearchFeedbackPage(b *testing.B) {
	onBenchDatabases(b, func(b *testing.B, url string) {
		r := newRoom(b, dbtest.Open(b, url), feedback.Config{})
		r.plant(benchQueries, r.stickers(20), func(q, s int) time.Time { return noon.Add(time.Duration(q*100+s) * time.Minute) })
		ctx := analyst(b)
		concurrently(b, 1, func(_ int, rnd *rand.Rand) error {
			text := fmt.Sprint("query ", rnd.IntN(benchQueries))
			p, err := r.List(ctx, feedback.Filter{Query: &text}, page.Args{First: ptr(20)})
			if err == nil && len(p.Edges) != 20 {
				err = fmt.Errorf("a page of %d", len(p.Edges))
			}
			return err
		})
	})
}

// BenchmarkExport downloads a million rows and reports the most memory that was held.
func BenchmarkExport(b *testing.B) {
	if testing.Short() {
		b.Skip("a million rows")
	}
	onBenchDatabases(b, func(b *testing.B, url string) {
		r := newRoom(b, dbtest.Open(b, url), feedback.Config{})
		r.plant(5000, r.stickers(200), func(q, s int) time.Time { return noon.Add(time.Duration(q*200+s) * time.Second) })
		for b.Loop() {
			var out sink
			n, err := r.Export(analyst(b), &out, feedback.CSV, nil, nil)
			if err != nil || n != 1_000_000 {
				b.Fatal(n, err)
			}
			b.ReportMetric(float64(out.most)/(1<<20), "MiB-held")
		}
	})
}
