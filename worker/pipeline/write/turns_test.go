package write

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// opened reads a bundle of the shared models.
func opened(t testing.TB, name string) *bundle.Bundle {
	t.Helper()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	b, err := bundle.Open(testkit.Shared(t, "models", name))
	require.NoError(t, err)
	return b
}

// Two writers with memory for one of them write in turns what each writes alone.
func TestModelsTakeTurnsUnderALimit(t *testing.T) {
	job := Job{Prompt: "a cat =>", Seed: 3}
	want, err := start(t, "caption-mini").Write(t.Context(), job, nil)
	require.NoError(t, err)
	b := opened(t, "caption-mini")
	summary, err := b.Summary()
	require.NoError(t, err)
	o := Options{Options: pipeline.Options{Gate: pipeline.NewGate(1), Keeper: pipeline.NewKeeper(summary.Memory * 3 / 2), OnUse: true}}
	var both [2]*Writer
	for i := range both {
		both[i], err = Open(t.Context(), b, o)
		require.NoError(t, err)
		assert.False(t, both[i].kept.Loaded(), "it was loaded before it was needed")
	}
	var wait sync.WaitGroup
	for i := range 6 {
		wait.Go(func() {
			got, err := both[i%2].Write(t.Context(), job, nil)
			assert.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	wait.Wait()
	assert.False(t, both[0].kept.Loaded() && both[1].kept.Loaded(), "both are in memory")
	for _, w := range both {
		assert.NoError(t, errors.Join(w.Close(), w.Close()))
	}
}

// A failed loading is told with its reason, and again without another try.
func TestFailedLoadsAreRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.CopyFS(dir, os.DirFS(opened(t, "random/gpt2-random").Dir)))
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	path, err := b.Graph("model")
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("no model"), 0o600))
	_, err = Open(t.Context(), b, Options{})
	assert.Error(t, err, "a broken model is found at the start")
	w, err := Open(t.Context(), b, Options{Options: pipeline.Options{OnUse: true}})
	require.NoError(t, err)
	for range 2 {
		_, err = w.Write(t.Context(), Job{Prompt: "a"}, nil)
		f, _ := pipeline.FailureOf(err)
		assert.Equal(t, jobspec.CodeModelBroken, f.Code)
		// What lies there by now is for a later try.
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	require.NoError(t, w.Close())
}

// Waiting calls learn that the writer stopped, whenever that is.
func TestStartAndStop(t *testing.T) {
	b := opened(t, "caption-mini")
	for i := range 4 {
		w, err := Open(t.Context(), b, Options{Options: pipeline.Options{OnUse: i > 1}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				var err error
				for err == nil {
					_, err = w.Write(context.Background(), Job{Prompt: "a cat =>"}, func(string, []int64) {
						if i%2 == 0 {
							cancel()
						}
					})
				}
				f, ok := pipeline.FailureOf(err)
				assert.True(t, ok, "got %v", err)
				assert.Equal(t, jobspec.CodeInternal, f.Code, "got %v", err)
			})
		}
		if i%2 == 1 {
			cancel()
		}
		assert.NoError(t, w.Run(ctx))
		wait.Wait()
		cancel()
		assert.NoError(t, w.Close())
	}
}
