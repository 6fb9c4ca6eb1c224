package cache_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
)

var errLate = errors.New("late")

func answers() *cache.Answers[string] {
	return &cache.Answers[string]{
		Cache: cache.NewMemory(1 << 20), Deadline: 20 * time.Second, KeepFor: time.Hour, Late: errLate,
		Encode: func(s string) []byte { return []byte(s) },
	}
}

// read takes what is written in small letters.
func read(data []byte) (string, bool) {
	return string(data), strings.ToLower(string(data)) == string(data)
}

func TestAnswers_AreSharedAndKept(t *testing.T) {
	t.Parallel()
	a := answers()
	var asked atomic.Int64
	entered, leave := make(chan struct{}), make(chan struct{})
	ask := func(context.Context) (string, error) {
		asked.Add(1)
		close(entered)
		<-leave
		return "yes", nil
	}
	gone, cancel := context.WithCancel(t.Context())
	var first, all sync.WaitGroup
	first.Go(func() {
		_, err := a.Ask(gone, "k", read, ask)
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-entered
	for range 8 {
		all.Go(func() {
			got, err := a.Ask(t.Context(), "k", read, ask)
			assert.NoError(t, err)
			assert.Equal(t, "yes", got)
		})
	}
	cancel()
	first.Wait()
	close(leave) // the request went on without whoever began it
	all.Wait()
	assert.Equal(t, int64(1), asked.Load())
	got, ok := a.Kept(t.Context(), "k", read)
	assert.True(t, ok)
	assert.Equal(t, "yes", got)
	_, ok = a.Kept(t.Context(), "other", read)
	assert.False(t, ok)
}

func TestAnswers_ThatCantBeReadOrFailedAreNotKept(t *testing.T) {
	t.Parallel()
	a := answers()
	got, err := a.Ask(t.Context(), "k", read, func(context.Context) (string, error) { return "NO", nil })
	require.NoError(t, err)
	assert.Equal(t, "NO", got)
	_, ok := a.Kept(t.Context(), "k", read)
	assert.False(t, ok)
	broken := errors.New("broken")
	_, err = a.Ask(t.Context(), "b", read, func(context.Context) (string, error) { return "", broken })
	require.ErrorIs(t, err, broken)
	got, err = a.Ask(t.Context(), "b", read, func(context.Context) (string, error) { return "yes", nil })
	require.NoError(t, err)
	assert.Equal(t, "yes", got)
}

// Whose own time is not up asks again when that of the request is.
func TestAnswers_ThatWereLateAreAskedForAgain(t *testing.T) {
	t.Parallel()
	a, n := answers(), 0
	got, err := a.Ask(t.Context(), "k", read, func(context.Context) (string, error) {
		if n++; n == 1 {
			return "", errLate
		}
		return "yes", nil
	})
	require.NoError(t, err)
	assert.Equal(t, "yes", got)
	assert.Equal(t, 2, n)
}
