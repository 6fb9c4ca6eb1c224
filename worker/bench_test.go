package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/worker"
)

// BenchmarkNoop measures jobs per second through JOBS, worker and RESULTS, all
// in one process, publishing included.
func BenchmarkNoop(b *testing.B) {
	for _, slots := range []int{16, 256} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			bus, ended := benchSetup(b, slots)
			jobs := make([]jobspec.Job, 512)
			b.ReportAllocs()
			b.ResetTimer()
			published := make(chan struct{})
			go func() {
				defer close(published)
				for sent := 0; sent < b.N; {
					n := min(len(jobs), b.N-sent)
					for i := range n {
						jobs[i] = job(fmt.Sprintf("run-%d-%d", b.N, sent+i))
					}
					for _, err := range bus.PublishJobs(b.Context(), jobs[:n]) {
						assert.NoError(b, err)
					}
					sent += n
				}
			}()
			for range b.N {
				<-ended
			}
			<-published
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkPickup measures the time from a publish to its handler on an idle
// worker, and to the result in the recorder's hands.
func BenchmarkPickup(b *testing.B) {
	entered := make(chan time.Time, 1)
	bus, ended := benchSetup(b, 16, handlers(
		func(context.Context, worker.Task, func(float64, string)) (json.RawMessage, error) {
			entered <- time.Now()
			return json.RawMessage(`{}`), nil
		})...)
	var pickup, whole []time.Duration
	for i := 0; b.Loop(); i++ {
		from := time.Now()
		require.NoError(b, bus.PublishJob(b.Context(), job(fmt.Sprintf("run-%d", i))))
		pickup = append(pickup, (<-entered).Sub(from))
		<-ended
		whole = append(whole, time.Since(from))
	}
	for name, all := range map[string][]time.Duration{"pickup": pickup, "whole": whole} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-µs")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), name+"-p99-µs")
	}
}

func benchSetup(b *testing.B, slots int, hs ...worker.Handler) (*natsx.Bus, <-chan struct{}) {
	b.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(e.Close)
	connect := func() *natsx.Bus {
		bus, err := e.Connect(natsx.Options{})
		require.NoError(b, err)
		b.Cleanup(bus.Close)
		return bus
	}
	bus := connect()
	require.NoError(b, bus.EnsureStreams(b.Context()))
	ended := make(chan struct{}, 1<<16)
	background(b, func(ctx context.Context) error {
		return bus.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
			for _, r := range rs {
				if r.Type == jobspec.ResultDone {
					ended <- struct{}{}
				}
			}
			return nil
		})
	})
	if len(hs) == 0 {
		hs = []worker.Handler{worker.NewNoop("test", nil)}
	}
	w, err := worker.New(worker.Config{Bus: connect(), Slots: slots, Handlers: hs})
	require.NoError(b, err)
	background(b, w.Run)
	return bus, ended
}
