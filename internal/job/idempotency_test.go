package job_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// once asks for a job with an idempotency key.
func (e *engine) once(user, operation, key, work string) (job.Answer, error) {
	return e.Once(e.as(user), operation, &key, work, func(ctx context.Context) ([]string, error) {
		r := e.request(jobspec.LaneBulk, user, work)
		_, err := e.Enqueue(ctx, []job.Request{r})
		return []string{r.ID}, err
	})
}

func TestSameKeyGivesTheSameAnswer(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		e.ask("user_a", "something before")
		e.events("user_a", "") // gives positions on Postgres
		first, err := e.once("user_a", "op", "k", "x")
		require.NoError(t, err)
		require.False(t, first.Repeated)
		e.events("user_a", "")
		again, err := e.once("user_a", "op", "k", "x")
		require.NoError(t, err)
		require.True(t, again.Repeated)
		require.Equal(t, first.IDs, again.IDs)
		require.Equal(t, first.Cursor, again.Cursor)
		require.Positive(t, first.Cursor.Position)
		require.Greater(t, e.events("user_a", first.IDs[0])[0].Position, first.Cursor.Position, "the call's events lie behind its cursor")
	})
}

func TestSameKeyWithOtherInputIsAMismatch(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		_, err := e.once("user_a", "op", "k", "x")
		require.NoError(t, err)
		_, err = e.once("user_a", "op", "k", "y")
		require.True(t, apperr.Is(err, apperr.IdempotencyMismatch), "%v", err)
	})
}

func TestKeysOfOtherUsersAndOperationsDontMeet(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		a, err := e.once("user_a", "op", "k", "x")
		require.NoError(t, err)
		b, err := e.once("user_b", "op", "k", "y")
		require.NoError(t, err)
		c, err := e.once("user_a", "other", "k", "z")
		require.NoError(t, err)
		require.NotEqual(t, a.IDs, b.IDs)
		require.NotEqual(t, a.IDs, c.IDs)
	})
}

func TestFiftyCallsWithOneKeyMakeOneJob(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		var all sync.WaitGroup
		var fresh atomic.Int64
		answers := make([]job.Answer, 50)
		errs := make([]error, len(answers))
		for i := range answers {
			all.Go(func() {
				answers[i], errs[i] = e.once("user_a", "op", "k", "x")
				if !answers[i].Repeated {
					fresh.Add(1)
				}
			})
		}
		all.Wait()
		for i, a := range answers {
			require.NoError(t, errs[i])
			require.Equal(t, answers[0].IDs, a.IDs)
			require.Equal(t, answers[0].Cursor, a.Cursor)
		}
		require.Equal(t, int64(1), fresh.Load())
		n, err := e.store.Client(t.Context()).Job.Query().Count(e.system())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestFailedCallLeavesNoKey(t *testing.T) {
	onBoth(t, job.Config{MaxPerUser: 1}, func(t *testing.T, e *engine) {
		e.ask("user_a", "x")
		_, err := e.once("user_a", "op", "k", "y")
		require.True(t, apperr.Is(err, apperr.RateLimited))
		e.record(done(e.run(e.firstJob()), "w"))
		answer, err := e.once("user_a", "op", "k", "y")
		require.NoError(t, err)
		require.False(t, answer.Repeated)
	})
}

func TestKeyIsForgottenAfterADay(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		backdate := func(age time.Duration) {
			_, err := e.store.Exec(t.Context(), "UPDATE idempotency_keys SET created_at = ?", store.Now().Add(-age))
			require.NoError(t, err)
		}
		first, err := e.once("user_a", "op", "k", "x")
		require.NoError(t, err)
		backdate(24*time.Hour - time.Minute)
		again, err := e.once("user_a", "op", "k", "x")
		require.NoError(t, err)
		require.Equal(t, first.IDs, again.IDs)

		backdate(24*time.Hour + time.Minute)
		var all sync.WaitGroup
		answers := make([]job.Answer, 8)
		for i := range answers {
			all.Go(func() {
				var err error
				answers[i], err = e.once("user_a", "op", "k", "y")
				require.NoError(t, err, "several calls may find it expired at once")
			})
		}
		all.Wait()
		for _, a := range answers {
			require.NotEqual(t, first.IDs, a.IDs)
			require.Equal(t, answers[0].IDs, a.IDs)
		}

		n, err := e.ForgetKeys(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		backdate(25 * time.Hour)
		n, err = e.ForgetKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestKeyIsOptionalAndChecked(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, e *engine) {
		for range 2 {
			answer, err := e.Once(e.as("user_a"), "op", nil, "x", func(context.Context) ([]string, error) { return []string{"a"}, nil })
			require.NoError(t, err)
			require.False(t, answer.Repeated)
		}
		for _, key := range []string{"", strings.Repeat("x", 201), "a\x00b", "\xff"} {
			_, err := e.once("user_a", "op", key, "x")
			require.True(t, apperr.Is(err, apperr.BadInput))
		}
		_, err := e.Once(t.Context(), "op", nil, "x", nil)
		require.True(t, apperr.Is(err, apperr.Unauthenticated))
	})
}
