package embedding_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/cache"
	"parley/internal/embedding"
	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

const (
	patience = 20 * time.Second
	// ample is a deadline that no call reaches on a busy machine.
	ample = patience
)

// bench is a bus of the test's own, with the bundles that are announced and how often
// something was asked.
type bench struct {
	t       testing.TB
	bus     *natsx.Bus
	cache   cache.Cache
	bundles []jobspec.Bundle
	asked   atomic.Int64
	// hold, where it is set, is called before each request.
	hold func(ctx context.Context)
}

func setup(t testing.TB) *bench {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	b := &bench{t: t, cache: cache.NewMemory(16 << 20)}
	b.bus, err = e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.bus.Close)
	require.NoError(t, b.bus.EnsureStreams(t.Context()))
	return b
}

// work opens a bundle, runs a worker with it and announces it.
func (b *bench) work(c worker.Config, path ...string) (stop func()) {
	b.t.Helper()
	dir := testkit.Shared(b.t, append([]string{"models"}, path...)...)
	models, err := model.Open(b.t.Context(), dir, pipeline.Options{Library: testkit.ONNX(b.t)})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { assert.NoError(b.t, models.Close()) })
	c.Bus, c.Handlers = b.bus, models.Handlers()
	w, err := worker.New(c)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(b.t, <-ended)
	})
	b.t.Cleanup(stop)
	for _, h := range models.Handlers() {
		b.bundles = append(b.bundles, h.Bundle())
	}
	// The worker listens before it answers this.
	deadline := time.Now().Add(patience)
	for {
		if _, err := b.bus.Conn().Request(jobspec.SubjectAnnouncePlease, nil, patience); err == nil {
			return stop
		}
		require.True(b.t, time.Now().Before(deadline), "the worker does not answer")
	}
}

// client makes a client; without a deadline it gets an ample one.
func (b *bench) client(deadline time.Duration) *embedding.Client {
	b.t.Helper()
	if deadline == 0 {
		deadline = ample
	}
	c, err := embedding.New(embedding.Config{
		Cache: b.cache, Deadline: deadline,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) { return b.bundles, nil },
		Ask: func(ctx context.Context, subject string, payload any) (json.RawMessage, error) {
			b.asked.Add(1)
			if b.hold != nil {
				b.hold(ctx)
			}
			return b.bus.Ask(ctx, subject, payload)
		},
	})
	require.NoError(b.t, err)
	return c
}

// readShared reads a file of the shared models.
func readShared(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(testkit.Shared(t, append([]string{"models"}, path...)...))
	require.NoError(t, err)
	return data
}
