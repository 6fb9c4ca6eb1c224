package live_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/live"
	"parley/internal/natsx"
	"parley/internal/store"
	"parley/internal/testkit"
)

// The database went away between the opening of a process and the first read
// of its hub, and the whole process ended.
func TestHubWaitsForADatabaseThatIsAwayWhenItStarts(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s, err := store.Open(t.Context(), store.Config{URL: server.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	broker, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(broker.Close)
	bus, err := broker.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(bus.Close)
	hub, err := live.NewHub(log, bus, &domain.Set{})
	require.NoError(t, err)
	woken := make(chan struct{})
	once := sync.OnceFunc(func() { close(woken) })
	w := hub.Watch(live.Interest{Keys: []string{"anything"}, Wake: once})
	defer w.Close()

	require.NoError(t, server.Kill())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx) }()
	require.NoError(t, server.Restart(t.Context()))
	select {
	case <-woken: // the hub began and told its watches to read for themselves
	case err := <-ended:
		t.Fatalf("the hub ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the hub never began")
	}
	cancel()
	require.NoError(t, <-ended)
}
