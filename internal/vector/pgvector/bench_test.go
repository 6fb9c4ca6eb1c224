package pgvector_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/internal/vector"
	"parley/internal/vector/pgvector"
	"parley/internal/vector/vectortest"
)

const (
	benchDimension = 384
	benchQueries   = 200
)

// BenchmarkForms asks both forms of an index the same about the same rows, of
// which the filter keeps one of a hundred: alone for the times, and 16 at once for
// the rate. PARLEY_BENCH_ROWS adds a number of rows, such as 1000000. PGlite is no
// server to measure: see testkit.EnvPGVector.
func BenchmarkForms(b *testing.B) {
	if os.Getenv(testkit.EnvPGVector) == "" {
		b.Skipf("%s names no PostgreSQL to measure", testkit.EnvPGVector)
	}
	sizes := []int{2000, 100_000}
	if more := os.Getenv("PARLEY_BENCH_ROWS"); more != "" {
		n, err := strconv.Atoi(more)
		require.NoError(b, err)
		sizes = append(sizes, n)
	}
	for _, size := range sizes {
		b.Run(fmt.Sprint("rows-", size), func(b *testing.B) { compareForms(b, size) })
	}
}

func compareForms(b *testing.B, size int) {
	random := vectortest.NewRandom(21)
	rows := random.Rows(size, benchDimension)
	queries := make([][]float32, benchQueries)
	for i := range queries {
		queries[i] = random.Near(rows[random.IntN(size)].Vector, 0.7)
	}
	exact, err := vector.New(vector.Config{Dimension: benchDimension})
	require.NoError(b, err)
	defer func() { require.NoError(b, exact.Close()) }()
	for part := range slices.Chunk(rows, 5000) {
		require.NoError(b, exact.Put(b.Context(), part...))
	}
	cfg := pgvector.Config{Name: fmt.Sprint("bench_", size), Dimension: benchDimension, BuildingMemory: 1024}
	graph := open(b, cfg)
	begin := time.Now()
	require.NoError(b, graph.Load(b.Context(), func(yield func(vector.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}))
	b.Logf("%d rows were loaded into PostgreSQL within %s", size, time.Since(begin).Round(time.Second))
	for _, filter := range []vector.Filter{nil, {{"owner:17"}}} {
		keeps := "all"
		if filter != nil {
			keeps = "keeps-1%"
		}
		truth := hitsOf(b, exact, queries, filter)
		tuned := tune(b, cfg, queries, filter, truth)
		for _, form := range []struct {
			name string
			vector.Index
		}{{"exact", exact}, {"pgvector", tuned}} {
			b.Run(form.name+"/"+keeps, func(b *testing.B) {
				askAlone(b, form, queries, filter)
				b.ReportMetric(recallOf(truth, hitsOf(b, form, queries, filter)), "recall")
			})
			b.Run(form.name+"/"+keeps+"/16-callers", func(b *testing.B) { askTogether(b, form, queries, filter) })
		}
	}
}

// tune gives the index with as few candidates of a search as reach a recall of 0.98.
func tune(b *testing.B, cfg pgvector.Config, queries [][]float32, f vector.Filter, truth [][]vector.Hit) *pgvector.Index {
	cfg.DB = testkit.PGVector(b)
	for _, cfg.Searching = range []int{40, 80, 120, 200, 400, 800} {
		x, err := pgvector.Open(b.Context(), cfg)
		require.NoError(b, err)
		if recall := recallOf(truth, hitsOf(b, x, queries, f)); recall >= 0.98 {
			b.Logf("%d candidates reach a recall of %.4f with the filter %v", cfg.Searching, recall, f)
			return x
		}
	}
	b.Fatal("no number of candidates reaches a recall of 0.98")
	return nil
}

func hitsOf(b *testing.B, x vector.Index, queries [][]float32, f vector.Filter) [][]vector.Hit {
	all := make([][]vector.Hit, len(queries))
	for i, v := range queries {
		hits, err := x.Search(b.Context(), vector.Query{Vector: v, K: 10, Filter: f})
		require.NoError(b, err)
		require.Len(b, hits, 10)
		all[i] = hits
	}
	return all
}

func recallOf(truth, all [][]vector.Hit) float64 {
	found, wanted := 0, 0
	for i, want := range truth {
		wanted += len(want)
		for _, h := range all[i] {
			if slices.ContainsFunc(want, func(w vector.Hit) bool { return w.ID == h.ID }) {
				found++
			}
		}
	}
	return float64(found) / float64(wanted)
}

// askAlone reports how long searches of one caller take.
func askAlone(b *testing.B, x vector.Index, queries [][]float32, f vector.Filter) {
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		_, err := x.Search(b.Context(), vector.Query{Vector: queries[len(took)%len(queries)], K: 10, Filter: f})
		took = append(took, time.Since(begin))
		if err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "searches/s")
}

// askTogether reports how many searches 16 callers get answered.
func askTogether(b *testing.B, x vector.Index, queries [][]float32, f vector.Filter) {
	const callers, each = 16, 8
	asked := 0
	for b.Loop() {
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() {
				for j := range each {
					v := queries[(asked+i*each+j)%len(queries)]
					if _, err := x.Search(b.Context(), vector.Query{Vector: v, K: 10, Filter: f}); err != nil {
						b.Error(err)
					}
				}
			})
		}
		group.Wait()
		asked += callers * each
	}
	b.ReportMetric(float64(asked)/b.Elapsed().Seconds(), "searches/s")
}
