package job_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/job"
	"parley/internal/jobspec"
)

func TestJobsInFlightAreLimitedPerUser(t *testing.T) {
	onBoth(t, job.Config{MaxPerUser: 3}, func(t *testing.T, e *engine) {
		first := e.ask("user_a", "1")
		e.ask("user_a", "2")
		refused := e.store.Tx(e.as("user_a"), func(ctx context.Context) error {
			_, err := e.Enqueue(ctx, []job.Request{
				e.request(jobspec.LaneBulk, "user_a", "3"), e.request(jobspec.LaneBulk, "user_a", "4"),
			})
			return err
		})
		require.True(t, apperr.Is(refused, apperr.RateLimited), "%v", refused)
		var limited *apperr.Error
		require.True(t, errors.As(refused, &limited))
		require.Positive(t, limited.RetryAfter, "it says when to come back")
		require.Len(t, e.outbox(), 2, "all or nothing")

		e.ask("user_b", "1")
		e.ask("user_a", "3")
		e.record(done(e.run(first), "w"))
		e.ask("user_a", "4")
	})
}
