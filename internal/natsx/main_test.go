package natsx_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/natsx"
	"parley/internal/testkit"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for a signal before it fails.
const patience = 20 * time.Second

// eachServer runs a test of the contract on the embedded and on an external
// server.
func eachServer(t *testing.T, limits natsx.Limits, test func(t *testing.T, b *natsx.Bus)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, embedded(t, natsx.Options{Limits: limits}))
	})
	t.Run("external", func(t *testing.T) {
		t.Parallel()
		b, err := natsx.Connect(t.Context(), testkit.NATS(t).URL(), natsx.Options{Limits: limits})
		require.NoError(t, err)
		t.Cleanup(b.Close)
		prepare(t, b)
		test(t, b)
	})
}

// embedded gives a connection to a server of the test's own, streams in place.
func embedded(t testing.TB, o natsx.Options) *natsx.Bus {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	b, err := e.Connect(o)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	prepare(t, b)
	return b
}

func prepare(t testing.TB, b *natsx.Bus) {
	t.Helper()
	require.NoError(t, b.EnsureStreams(t.Context()))
}

// background runs f until the test ends, and fails the test when f returns an
// error.
func background(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		cancel()
		once.Do(func() {
			select {
			case err := <-done:
				assert.NoError(t, err, "the service failed")
			case <-time.After(patience):
				t.Error("the service did not stop")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// receive waits for one value.
func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}
