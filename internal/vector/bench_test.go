//go:build unix

package vector_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/vector"
)

const benchDimension = 384

// crowd makes rows in 2,000 clusters, each with a cosine of about 0.7 to its
// center, and of 100 owners.
type crowd struct {
	random  *rand.Rand
	centers [][]float32
}

func newCrowd() *crowd {
	c := &crowd{random: rand.New(rand.NewPCG(1, 2)), centers: make([][]float32, 2000)}
	for i := range c.centers {
		c.centers[i] = c.around(make([]float32, benchDimension))
	}
	return c
}

// around adds to each number one between -1 and 1, nearly normally distributed.
func (c *crowd) around(center []float32) []float32 {
	v := make([]float32, len(center))
	for i := range v {
		bits := c.random.Uint64()
		v[i] = center[i] + float32(int64(bits&0xffff+bits>>16&0xffff+bits>>32&0xffff+bits>>48)-0x1fffe)/0x1fffe
	}
	return v
}

func (c *crowd) vector() []float32 { return c.around(c.centers[c.random.IntN(len(c.centers))]) }

func (c *crowd) fill(b *testing.B, x *vector.Exact, count int) {
	const batch = 5000
	for i := 0; i < count; i += batch {
		rows := make([]vector.Row, min(batch, count-i))
		for j := range rows {
			rows[j] = vector.Row{
				ID: fmt.Sprintf("sticker_01J%023d", i+j), Vector: c.vector(),
				Labels: []string{fmt.Sprint("owner:", (i+j)%100), "kind:sticker"},
			}
		}
		require.NoError(b, x.Put(b.Context(), rows...))
	}
}

// percentiles reports how long calls took.
func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// resident gives a line of this process's status on Linux, in megabytes.
func resident(b *testing.B, name string) float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib float64
		if rest, ok := strings.CutPrefix(s.Text(), name+":"); ok {
			_, err := fmt.Sscan(rest, &kib)
			require.NoError(b, err)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

func BenchmarkSearch(b *testing.B) {
	for _, size := range []struct {
		name   string
		rows   int
		onDisk bool
	}{{"2k", 2000, false}, {"100k", 100_000, false}, {"1M-on-disk", 1_000_000, true}} {
		b.Run(size.name, func(b *testing.B) {
			cfg := vector.Config{Dimension: benchDimension}
			if size.onDisk {
				cfg.Folder = b.TempDir()
			}
			x, c := open(b, cfg), newCrowd()
			c.fill(b, x, size.rows)
			one := vector.Filter{{"owner:17"}}
			b.Run("all", func(b *testing.B) { searchAlone(b, x, c, nil) })
			b.Run("keeps-1%", func(b *testing.B) { searchAlone(b, x, c, one) })
			b.Run("16-callers", func(b *testing.B) { searchTogether(b, x, c, nil) })
			b.Run("16-callers-keeps-1%", func(b *testing.B) { searchTogether(b, x, c, one) })
		})
	}
}

// processor is how long this process has had the processor's cores: of a busy
// machine it says more than the clock.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func searchAlone(b *testing.B, x *vector.Exact, c *crowd, f vector.Filter) {
	var took []time.Duration
	cpu := processor(b)
	for b.Loop() {
		q := vector.Query{Vector: c.vector(), K: 10, Filter: f}
		begin := time.Now()
		hits, err := x.Search(b.Context(), q)
		took = append(took, time.Since(begin))
		if err != nil || len(hits) != 10 {
			b.Fatal(err, len(hits))
		}
	}
	percentiles(b, took)
	b.ReportMetric(float64((processor(b)-cpu).Microseconds())/1000/float64(len(took)), "cpu-ms")
	b.ReportMetric(resident(b, "VmRSS"), "RSS-MB")
}

func searchTogether(b *testing.B, x *vector.Exact, c *crowd, f vector.Filter) {
	const callers, each = 16, 8
	var took []time.Duration
	var mu sync.Mutex
	cpu := processor(b)
	for b.Loop() {
		queries := make([]vector.Query, callers*each)
		for i := range queries {
			queries[i] = vector.Query{Vector: c.vector(), K: 10, Filter: f}
		}
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() {
				for _, q := range queries[i*each:][:each] {
					begin := time.Now()
					if _, err := x.Search(b.Context(), q); err != nil {
						b.Error(err)
					}
					mu.Lock()
					took = append(took, time.Since(begin))
					mu.Unlock()
				}
			})
		}
		group.Wait()
	}
	b.ReportMetric(float64((processor(b)-cpu).Microseconds())/1000/float64(len(took)), "cpu-ms")
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "searches/s")
	percentiles(b, took)
}

func BenchmarkLoad(b *testing.B) {
	for _, size := range []struct {
		name string
		rows int
	}{{"2k", 2000}, {"100k", 100_000}} {
		b.Run(size.name, func(b *testing.B) {
			cfg := vector.Config{Dimension: benchDimension}
			x := open(b, cfg)
			newCrowd().fill(b, x, size.rows)
			path := filepath.Join(b.TempDir(), "index")
			require.NoError(b, x.Save(path, "position"))
			var took []time.Duration
			cpu := processor(b)
			for b.Loop() {
				begin := time.Now()
				loaded, _, err := vector.Load(path, cfg)
				took = append(took, time.Since(begin))
				require.NoError(b, err)
				require.NoError(b, loaded.Close())
			}
			percentiles(b, took)
			b.ReportMetric(float64((processor(b)-cpu).Microseconds())/1000/float64(len(took)), "cpu-ms")
		})
	}
}

func BenchmarkPut(b *testing.B) {
	x, c := open(b, vector.Config{Dimension: benchDimension}), newCrowd()
	c.fill(b, x, 100_000)
	for b.Loop() {
		id := fmt.Sprintf("sticker_01J%023d", c.random.IntN(100_000))
		require.NoError(b, x.Put(b.Context(), vector.Row{ID: id, Vector: c.vector(), Labels: []string{"owner:1"}}))
	}
}
