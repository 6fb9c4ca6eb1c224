package server

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/live"
)

// closing is a connection that tells how it was closed.
type closing chan string

func (c closing) SetExpiry(time.Time) {}

func (c closing) Close(reason string) {
	select {
	case c <- reason:
	default:
	}
}

func TestRechecksStopWhenToldAndEachDoubtIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	const connections, rounds = 40, 20
	var refuse atomic.Bool
	var running, most atomic.Int64
	s := newSessions(nil, nil, func(context.Context, auth.Viewer) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		if refuse.Load() {
			return apperr.New(apperr.Unauthenticated, "Over.")
		}
		return nil
	})
	ctx := auth.With(t.Context(), auth.Viewer{ID: "user_1", Session: "sess_1"})
	var followers []*follower
	for range connections {
		_, f, err := s.follow(ctx, make(closing, 1), live.NewConnection())
		require.NoError(t, err)
		followers = append(followers, f)
	}
	refuse.Store(true)
	for range rounds {
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = s.Run(ctx) })
		for _, f := range followers {
			all.Go(func() { s.doubt(f.now); s.doubt(f.now) })
		}
		stop()
		all.Wait()
	}
	s.mu.Lock()
	n := len(s.doubtful)
	assert.LessOrEqual(t, n, connections, "%d doubts of %d connections", n, connections)
	s.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for _, f := range followers {
		s.doubt(f.now)
		reason := <-f.conn.(closing)
		assert.Equal(t, "Over.", reason, "closed because %q", reason)
	}
	stop()
	assert.NoError(t, <-ended)
	if n := most.Load(); n > rechecks {
		t.Errorf("%d were asked about at a time", n)
	}
}
