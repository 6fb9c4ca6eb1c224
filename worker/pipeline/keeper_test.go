package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
)

// weights is a resident that tells whether it runs.
type weights struct {
	running, closed atomic.Bool
}

func (w *weights) Run(ctx context.Context) error {
	w.running.Store(true)
	<-ctx.Done()
	w.running.Store(false)
	return nil
}

func (w *weights) Close() error {
	if w.running.Load() {
		return errors.New("closed while it ran")
	}
	w.closed.Store(true)
	return nil
}

// keep keeps a model of so many bytes that counts its loadings.
func keep(t *testing.T, k *Keeper, name string, need int64, loads *atomic.Int64) *Kept[*weights] {
	t.Helper()
	m := Keep(k, name, need, func() (*weights, error) {
		loads.Add(1)
		return &weights{}, nil
	})
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

func use(t *testing.T, m *Kept[*weights]) (release func()) {
	t.Helper()
	w, release, err := m.Use(t.Context())
	require.NoError(t, err)
	assert.False(t, w.closed.Load())
	return release
}

func TestKeeper_LoadsOnceForAllThatWait(t *testing.T) {
	t.Parallel()
	var loads atomic.Int64
	m := keep(t, NewKeeper(0), "one", 1, &loads)
	assert.False(t, m.Loaded())
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			_, release, err := m.Use(t.Context())
			if assert.NoError(t, err) {
				release()
				release()
			}
		})
	}
	wait.Wait()
	assert.Equal(t, int64(1), loads.Load())
	assert.True(t, m.Loaded())
}

func TestKeeper_LongestUnusedLeaves(t *testing.T) {
	t.Parallel()
	var loads atomic.Int64
	k := NewKeeper(100)
	a, b, c := keep(t, k, "a", 40, &loads), keep(t, k, "b", 40, &loads), keep(t, k, "c", 40, &loads)
	loaded := func() [3]bool { return [3]bool{a.Loaded(), b.Loaded(), c.Loaded()} }
	use(t, a)()
	use(t, b)()
	use(t, a)()
	use(t, c)()
	assert.Equal(t, [3]bool{true, false, true}, loaded())
	use(t, b)()
	assert.Equal(t, [3]bool{false, true, true}, loaded())
	assert.Equal(t, int64(4), loads.Load())
	assert.LessOrEqual(t, k.used, k.limit)
}

func TestKeeper_WhatIsInUseStays(t *testing.T) {
	t.Parallel()
	var loads atomic.Int64
	k := NewKeeper(100)
	a, b := keep(t, k, "a", 60, &loads), keep(t, k, "b", 60, &loads)
	release := use(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, _, err := b.Use(ctx)
		got <- err
	}()
	cancel()
	assert.ErrorIs(t, <-got, context.Canceled, "it did not wait")
	go func() {
		_, release, err := b.Use(t.Context())
		if err == nil {
			release()
		}
		got <- err
	}()
	assert.True(t, a.Loaded())
	release()
	assert.NoError(t, <-got)
	assert.False(t, a.Loaded())
	large := keep(t, k, "large", 101, &loads)
	_, _, err := large.Use(t.Context())
	f, _ := FailureOf(err)
	assert.Equal(t, jobspec.CodeModelBroken, f.Code)
	assert.Contains(t, f.Message, "large needs")
}

func TestKeeper_RemembersWhyLoadingFailed(t *testing.T) {
	t.Parallel()
	tries := 0
	m := Keep(NewKeeper(10), "bad", 4, func() (*weights, error) {
		if tries++; tries < 3 {
			return nil, errors.New("the disk is gone")
		}
		return &weights{}, nil
	})
	for range 3 {
		_, _, err := m.Use(t.Context())
		assert.ErrorContains(t, err, "the disk is gone")
	}
	assert.Equal(t, 1, tries, "it was tried again at once")
	assert.Equal(t, firstPause, m.pause)
	m.retry = time.Now()
	_, _, err := m.Use(t.Context())
	assert.Error(t, err)
	assert.Equal(t, 2*firstPause, m.pause)
	assert.Zero(t, m.keeper.used, "what failed takes up room")
	m.retry = time.Now()
	use(t, m)()
	assert.NoError(t, m.Close())
	assert.Zero(t, m.keeper.used)
}

func TestKeeper_EndsWithItsModel(t *testing.T) {
	t.Parallel()
	var loads atomic.Int64
	m := keep(t, NewKeeper(0), "one", 1, &loads)
	w, release, err := m.Use(t.Context())
	require.NoError(t, err)
	release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, m.Run(ctx))
	assert.False(t, w.running.Load())
	_, _, err = m.Use(t.Context())
	f, _ := FailureOf(err)
	assert.Equal(t, jobspec.CodeInternal, f.Code)
	assert.NoError(t, errors.Join(m.Close(), m.Close()))
	assert.True(t, w.closed.Load())
	// One that waits for room when it is not wanted any more.
	k := NewKeeper(1)
	first, second := keep(t, k, "first", 1, &loads), keep(t, k, "second", 1, &loads)
	hold := use(t, first)
	waiting := make(chan error, 1)
	go func() {
		_, _, err := second.Use(context.Background())
		waiting <- err
	}()
	require.NoError(t, second.Close())
	assert.Error(t, <-waiting)
	hold()
}
