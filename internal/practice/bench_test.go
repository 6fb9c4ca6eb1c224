package practice_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/ent/gen"
	"parley/internal/batch"
	"parley/internal/practice"
	"parley/internal/testkit/dbtest"
)

// The load of the benchmarks: learners of one service with kinds of error.
const (
	benchLearners = 1000
	benchKinds    = 20
	benchCallers  = 16
)

func onBenchDatabases(b *testing.B, run func(b *testing.B, url string)) {
	for _, dialect := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.Postgres}} {
		b.Run(dialect.name, func(b *testing.B) { run(b, dialect.url(b)) })
	}
}

// crowd gives one utterance of each learner.
func crowd(b *testing.B, w *world) []*gen.Utterance {
	utterances := make([]*gen.Utterance, benchLearners)
	var next atomic.Int64
	var all sync.WaitGroup
	for range benchCallers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < benchLearners; i = next.Add(1) - 1 {
				utterances[i] = w.utterance(key(b, "owner"), fmt.Sprintf("learner-%d", i))
			}
		})
	}
	all.Wait()
	return utterances
}

func kind(n int) (string, string) {
	return fmt.Sprintf("category %d", n/5), fmt.Sprintf("subcategory %d", n)
}

// concurrently makes b.N calls from benchCallers callers.
func concurrently(b *testing.B, call func(n int64, r *rand.Rand)) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for caller := range benchCallers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(caller))) //nolint:gosec // not for secrets
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				call(n, r)
			}
		})
	}
	all.Wait()
	b.StopTimer()
}

func BenchmarkRecordErrors(b *testing.B) {
	onBenchDatabases(b, func(b *testing.B, url string) {
		var flushes atomic.Int64
		w := watchedWorld(b, dbtest.Open(b, url), func(batch.Flush) { flushes.Add(1) })
		utterances := crowd(b, w)
		run := 0
		for _, size := range []int{100, 3} {
			b.Run(fmt.Sprintf("%d_a_call", size), func(b *testing.B) {
				run++
				flushes.Store(0)
				concurrently(b, func(n int64, r *rand.Rand) {
					items := make([]*practice.ErrorInput, size)
					one := utterances[r.IntN(benchLearners)]
					for i := range items {
						if size > 3 {
							one = utterances[r.IntN(benchLearners)]
						}
						category, subcategory := kind(r.IntN(benchKinds))
						items[i] = item(one, fmt.Sprintf("%d-%d", run, n), i, category, subcategory)
					}
					results, err := w.RecordErrors(key(b, "owner"), items)
					assert.NoError(b, err)
					for _, r := range results {
						assert.Equal(b, practice.Recorded, r.Status, "%v", r)
					}
				})
				b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "items/s")
				b.ReportMetric(float64(b.N*size)/float64(flushes.Load()), "items/tx")
			})
		}
	})
}

func BenchmarkExercise(b *testing.B) {
	onBenchDatabases(b, func(b *testing.B, url string) {
		w := newWorld(b, dbtest.Open(b, url))
		utterances := crowd(b, w)
		for n := range benchKinds {
			category, subcategory := kind(n)
			var items []*practice.ErrorInput
			for _, u := range utterances {
				items = append(items, item(u, "k", n, category, subcategory))
			}
			w.record(key(b, "owner"), items[:practice.MaxErrors]...)
			w.record(key(b, "owner"), items[practice.MaxErrors:]...)
		}
		b.Run("top5", func(b *testing.B) {
			concurrently(b, func(_ int64, r *rand.Rand) {
				list, err := w.Exercise(key(b, "owner"), ptr(fmt.Sprintf("learner-%d", r.IntN(benchLearners))), 5, nil)
				assert.NoError(b, err)
				assert.Len(b, list, 5)
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
		})
	})
}
