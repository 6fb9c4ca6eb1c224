package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/batch"
)

// turnstile is a Load that waits to be let through and tells what it was asked.
type turnstile struct {
	asked chan []int
	pass  chan error
}

func newTurnstile() turnstile { return turnstile{asked: make(chan []int, 100), pass: make(chan error)} }

func (g turnstile) load(_ context.Context, keys []int) ([]string, error) {
	g.asked <- slices.Clone(keys)
	if err := <-g.pass; err != nil {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = fmt.Sprint("value ", k)
	}
	return values, nil
}

// reading makes calls and returns once the Reads has them, which only their number
// shows: a call that waits has nothing to say.
func reading(t *testing.T, r *batch.Reads[int, string], keys ...int) *sync.WaitGroup {
	t.Helper()
	var all sync.WaitGroup
	for _, k := range keys {
		before := r.Waiting()
		all.Go(func() {
			v, err := r.Do(t.Context(), k)
			assert.NoError(t, err, "%d", k)
			assert.Equal(t, fmt.Sprint("value ", k), v, "%d", k)
		})
		require.Eventually(t, func() bool { return r.Waiting() > before }, patience, 1)
	}
	return &all
}

func TestReadsThatArriveDuringAStatementShareTheNext(t *testing.T) {
	t.Parallel()
	g := newTurnstile()
	r := batch.NewReads(batch.ReadConfig[int, string]{Readers: 1, MaxKeys: 3, Load: g.load})
	var first sync.WaitGroup
	first.Go(func() {
		v, err := r.Do(t.Context(), 1)
		assert.NoError(t, err)
		assert.Equal(t, "value 1", v)
	})
	require.Equal(t, []int{1}, <-g.asked)
	rest := reading(t, r, 2, 3, 2, 5)
	g.pass <- nil
	first.Wait()
	require.Equal(t, []int{2, 3, 2}, <-g.asked)
	g.pass <- nil
	require.Equal(t, []int{5}, <-g.asked)
	g.pass <- nil
	rest.Wait()
}

func TestAReadThatFailsFailsItsCallsAlone(t *testing.T) {
	t.Parallel()
	g := newTurnstile()
	r := batch.NewReads(batch.ReadConfig[int, string]{Readers: 1, Load: g.load})
	failed := make(chan error)
	go func() { _, err := r.Do(t.Context(), 1); failed <- err }()
	<-g.asked
	rest := reading(t, r, 2)
	broken := errors.New("broken")
	g.pass <- broken
	require.ErrorIs(t, <-failed, broken)
	<-g.asked
	g.pass <- nil
	rest.Wait()
}

func TestACallThatEndsLeavesTheOthersTheirRead(t *testing.T) {
	t.Parallel()
	g := newTurnstile()
	r := batch.NewReads(batch.ReadConfig[int, string]{Readers: 1, MaxWaiting: 2, Load: g.load})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := r.Do(ctx, 1); gone <- err }()
	<-g.asked
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	rest := reading(t, r, 2, 3)
	_, err := r.Do(t.Context(), 4)
	require.True(t, apperr.Is(err, apperr.Unavailable), "one too many gives %v", err)
	g.pass <- nil
	require.Equal(t, []int{2, 3}, <-g.asked)
	g.pass <- nil
	rest.Wait()
}

func TestAPanicOfAReadIsAnError(t *testing.T) {
	t.Parallel()
	r := batch.NewReads(batch.ReadConfig[int, string]{Load: func(context.Context, []int) ([]string, error) { panic("oops") }})
	_, err := r.Do(t.Context(), 1)
	require.ErrorContains(t, err, "panicked")
	r = batch.NewReads(batch.ReadConfig[int, string]{Load: func(context.Context, []int) ([]string, error) { return nil, nil }})
	_, err = r.Do(t.Context(), 1)
	require.ErrorContains(t, err, "number of results")
}
