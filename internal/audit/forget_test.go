package audit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/audit"
	"parley/internal/store"
)

// plantMany writes n entries of a time.
func plantMany(t testing.TB, s *store.Store, n int, at time.Time) {
	t.Helper()
	require.NoError(t, s.Tx(system(t), func(ctx context.Context) error {
		c := s.Client(ctx)
		for n > 0 {
			rows := make([]*gen.AuditEntryCreate, min(n, 500))
			for i := range rows {
				rows[i] = planted(c, at, "", 1)
			}
			if err := c.AuditEntry.CreateBulk(rows...).Exec(ctx); err != nil {
				return err
			}
			n -= len(rows)
		}
		return nil
	}))
}

func TestForgetDeletesWhatIsOlderThanIsKept(t *testing.T) {
	onLog(t, func(t *testing.T, s *store.Store, l *audit.Log) {
		for _, old := range []int{0, 1, 999, 1000, 1001, 2500} {
			plantMany(t, s, old, store.Now().Add(-time.Hour-time.Second))
			plantMany(t, s, 3, store.Now().Add(-time.Hour+time.Minute))
			require.NoError(t, l.Write(asAdmin(t), audit.Read, []int64{1}))
			n, err := l.Forget(t.Context())
			require.NoError(t, err)
			require.Equal(t, int64(old), n)
			require.Equal(t, 4, count(t, l, audit.Filter{}))
			_, err = s.Exec(t.Context(), "DELETE FROM audit_entries")
			require.NoError(t, err)
		}
	})
}

func TestForgetStopsWhenToldAndGoesOnLater(t *testing.T) {
	onLog(t, func(t *testing.T, s *store.Store, l *audit.Log) {
		plantMany(t, s, 1200, store.Now().Add(-2*time.Hour))
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		n, err := l.Forget(stopped)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, n)
		require.Equal(t, 1200, count(t, l, audit.Filter{}))
		n, err = l.Forget(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(1200), n)
	})
}

func TestProcessesThatForgetAtOnceDeleteEachEntryOnce(t *testing.T) {
	onLog(t, func(t *testing.T, s *store.Store, l *audit.Log) {
		plantMany(t, s, 2500, store.Now().Add(-2*time.Hour))
		var deleted atomic.Int64
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				n, err := l.Forget(t.Context())
				deleted.Add(n)
				assert.NoError(t, err)
			})
		}
		group.Wait()
		n, err := l.Forget(t.Context()) // whoever met another one may have ended early
		require.NoError(t, err)
		require.Equal(t, int64(2500), deleted.Load()+n)
		require.Zero(t, count(t, l, audit.Filter{}))
	})
}

func TestLogWithoutALimitForgetsNothing(t *testing.T) {
	onLog(t, func(t *testing.T, s *store.Store, _ *audit.Log) {
		plantMany(t, s, 2, time.Unix(0, 0).UTC())
		for _, keep := range []time.Duration{0, -time.Hour} {
			l := audit.New(s, keep, nil)
			n, err := l.Forget(t.Context())
			require.NoError(t, err)
			require.Zero(t, n)
			require.Equal(t, 2, count(t, l, audit.Filter{}))
		}
	})
}
