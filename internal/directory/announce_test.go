package directory

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
)

// hear keeps what the directory tells.
func (h house) hear() *[]News {
	var mu sync.Mutex
	heard := &[]News{}
	h.OnNews(func(_ context.Context, n News) error {
		mu.Lock()
		defer mu.Unlock()
		*heard = append(*heard, n)
		return nil
	})
	return heard
}

func TestWhatBecomesOfAWorkerIsToldOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		heard := h.hear()
		h.announce("w", "pool", "x")
		h.announce("w", "pool", "x")
		h.announce("w", "pool", "x", "y")
		require.NoError(t, h.Sweep(t.Context()))
		h.leave("w", time.Minute)
		require.NoError(t, h.Sweep(t.Context()))
		require.NoError(t, h.fresh().Sweep(t.Context()))
		h.announce("w", "pool", "x", "y")
		assert.Equal(t, []News{{"w", Came}, {"w", Changed}, {"w", Gone}, {"w", Came}}, *heard)
	})
}

// Every process keeps every announcement: one of them tells.
func TestProcessesThatKeepTheSameAnnouncementTellOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		heard := h.hear()
		a := jobspec.Announcement{Worker: "w", At: time.Now(), Bundles: []jobspec.Bundle{{Name: "x", Pool: "p"}}}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { assert.NoError(t, h.Announce(t.Context(), a)) })
		}
		all.Wait()
		assert.Equal(t, []News{{"w", Came}}, *heard)
	})
}

func TestAnAnnouncementThatWasOvertakenCountsForNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		now := time.Now()
		say := func(at time.Time, bundle string) {
			require.NoError(t, h.Announce(t.Context(), jobspec.Announcement{Worker: "w", At: at, Bundles: []jobspec.Bundle{{Name: bundle, Pool: bundle}}}))
		}
		say(now, "new")
		say(now.Add(-time.Second), "old")
		require.NoError(t, h.store.Tx(t.Context(), func(ctx context.Context) error {
			return h.Learn(ctx, jobspec.FolderChanged{Worker: "w", At: now.Add(-time.Second), Folder: jobspec.Folder{ID: "old"}})
		}))
		workers, err := h.Workers(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "new", workers[0].Bundles[0].Name)
		assert.Nil(t, workers[0].Folder)
		// Unless the clock was set back.
		say(now.Add(-time.Hour), "back")
		workers, err = h.Read(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "back", workers[0].Bundles[0].Name)
	})
}

// What is told and what is kept are one: an event that can't be written leaves the
// announcement unkept.
func TestNewsThatCantBeToldIsNotKept(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		refused := errors.New("no")
		h.OnNews(func(context.Context, News) error { return refused })
		require.ErrorIs(t, h.Announce(t.Context(), jobspec.Announcement{Worker: "w", At: time.Now()}), refused)
		require.Empty(t, h.names())
	})
}
