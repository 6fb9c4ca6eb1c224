package model

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/draw"
	"parley/worker/pipeline/embed"
	"parley/worker/pipeline/write"
)

// BenchmarkQueryUnderLoad is how long a query's vector takes while a picture is drawn
// and texts are written, without a pause.
func BenchmarkQueryUnderLoad(b *testing.B) {
	startRuntime(b)
	open := func(path ...string) *bundle.Bundle {
		one, err := bundle.Open(testkit.Shared(b, append([]string{"models"}, path...)...))
		require.NoError(b, err)
		return one
	}
	o := pipeline.Options{}.WithDefaults()
	texts, err := embed.OpenTexts(b.Context(), open("sticker-mini"), o)
	require.NoError(b, err)
	writer, err := write.Open(b.Context(), open("caption-mini"), write.Options{Options: o})
	require.NoError(b, err)
	painter, err := draw.Open(b.Context(), open("random", "lcm-random"), o)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { _ = texts.Run(ctx) })
	wait.Go(func() { _ = writer.Run(ctx) })
	steps, tokens := 0, 0
	wait.Go(func() {
		for ctx.Err() == nil {
			_, _ = painter.Draw(ctx, draw.Job{Prompt: "a cat", Width: 128, Height: 128}, func(int, *draw.Latents) { steps++ })
		}
	})
	wait.Go(func() {
		for ctx.Err() == nil {
			_, _ = writer.Write(ctx, write.Job{Prompt: "a cat in a park =>"}, func(string, []int64) { tokens++ })
		}
	})
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		_, err := texts.Embed(b.Context(), []string{"red apple on a table"})
		require.NoError(b, err)
		took = append(took, time.Since(begun))
	}
	cancel()
	wait.Wait()
	assert.NoError(b, texts.Close())
	assert.NoError(b, writer.Close())
	assert.NoError(b, painter.Close())
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}
