package embedding_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/draw"
	"parley/worker/pipeline/write"
)

// BenchmarkText is how many vectors of queries there are in a second, by so many callers
// at once, and how long each takes.
func BenchmarkText(b *testing.B) {
	s := setup(b)
	s.work(worker.Config{}, "sticker-mini")
	c := s.client(0)
	_, err := c.Text(b.Context(), "", "red apple")
	require.NoError(b, err)
	var n atomic.Int64
	fresh := func() string { return fmt.Sprintf("red apple on a table %d", n.Add(1)) }
	for _, way := range []struct {
		name    string
		callers int
		text    func() string
	}{
		{"kept", 1, func() string { return "Red  apple" }},
		{"kept", 16, func() string { return "Red  apple" }},
		{"asked", 1, fresh},
		{"asked", 16, fresh},
		{"asked", 128, fresh},
	} {
		b.Run(fmt.Sprintf("%s/callers=%d", way.name, way.callers), func(b *testing.B) {
			measure(b, way.callers, func(ctx context.Context) error {
				_, err := c.Text(ctx, "", way.text())
				return err
			})
		})
	}
}

// BenchmarkTextUnderLoad is the same for one caller while, in the worker's process, a
// picture is drawn and a text written without a pause.
func BenchmarkTextUnderLoad(b *testing.B) {
	s := setup(b)
	s.work(worker.Config{}, "sticker-mini")
	c := s.client(0)
	open := func(path ...string) *bundle.Bundle {
		one, err := bundle.Open(testkit.Shared(b, append([]string{"models"}, path...)...))
		require.NoError(b, err)
		return one
	}
	writer, err := write.Open(b.Context(), open("caption-mini"), write.Options{})
	require.NoError(b, err)
	painter, err := draw.Open(b.Context(), open("random", "lcm-random"), pipeline.Options{})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	load.Go(func() { _ = writer.Run(ctx) })
	load.Go(func() {
		for ctx.Err() == nil {
			_, _ = painter.Draw(ctx, draw.Job{Prompt: "a cat", Width: 128, Height: 128}, func(int, *draw.Latents) {})
		}
	})
	load.Go(func() {
		for ctx.Err() == nil {
			_, _ = writer.Write(ctx, write.Job{Prompt: "a cat in a park =>"}, func(string, []int64) {})
		}
	})
	n := 0
	measure(b, 1, func(ctx context.Context) error {
		n++
		_, err := c.Text(ctx, "", fmt.Sprintf("red apple on a table %d", n))
		return err
	})
	cancel()
	load.Wait()
	require.NoError(b, writer.Close())
	require.NoError(b, painter.Close())
}

// measure calls do as often as the benchmark wants, by so many callers at once.
func measure(b *testing.B, callers int, do func(ctx context.Context) error) {
	b.Helper()
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var calls sync.WaitGroup
	b.ResetTimer()
	for range callers {
		calls.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				begun := time.Now()
				if err := do(b.Context()); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(begun)
			}
		})
	}
	calls.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
