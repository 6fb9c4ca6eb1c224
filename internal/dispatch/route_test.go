package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/store"
)

func TestARunThatNobodyCanDoIsPutOffAndGoesOnWhenAWorkerComes(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		x, y := h.ask("x"), h.ask("y")
		none, _ := h.due()
		require.Empty(t, none)
		none, next := h.due()
		require.Empty(t, none)
		require.True(t, next.After(store.Now()), "it is left alone for a while")

		woken := h.woken.Load()
		h.announce("pool", "x")
		require.NoError(t, h.Release(t.Context()))
		require.Equal(t, woken+1, h.woken.Load(), "the relay looks again at once")
		due, _ := h.due()
		require.Len(t, due, 1)
		require.Equal(t, x.RunID, due[0].Job.Run)
		require.Equal(t, "pool", due[0].Job.Pool)
		require.Equal(t, "pool", h.run(x).Pool, "whoever rescues it must know where it lies")
		require.Empty(t, h.run(y).Pool)
		require.NoError(t, h.Done(t.Context(), due))
		require.Equal(t, []string{"PUBLISH " + y.RunID + " 1"}, h.rows())
	})
}

func TestARunIsRoutedLateEvenIfNobodyWasTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		j := h.ask("x")
		h.announce("pool", "x")
		due, _ := h.due()
		require.Len(t, due, 1)
		require.Equal(t, j.RunID, due[0].Job.Run)
		require.Equal(t, "pool", h.run(j).Pool)
	})
}

func TestAnAnnouncementWakesNobodyWhenNothingWaitsForIt(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.announce("pool", "x")
		j := h.ask("x")
		later := store.Now().Add(time.Hour)
		h.exec("UPDATE outbox SET run_at = ?", later) // it waits for its time, not for a worker
		woken := h.woken.Load()
		require.NoError(t, h.Release(t.Context()))
		require.Equal(t, woken, h.woken.Load())
		none, next := h.due()
		require.Empty(t, none)
		require.True(t, later.Equal(next))
		require.Equal(t, "pool", h.run(j).Pool)
	})
}

// What an announcement just misses must not wait for the next one, and what has
// waited for days must not be looked at every second.
func TestARunIsPutOffForAboutAsLongAsItHasWaited(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		young, old := h.ask("x"), h.ask("y")
		h.age(old, 20*time.Minute)
		_, _ = h.due()
		for run, want := range map[string][2]time.Duration{young.RunID: {0, time.Minute}, old.RunID: {16 * time.Minute, 40 * time.Minute}} {
			rows, err := h.store.Client(t.Context()).Outbox.Query().All(h.system())
			require.NoError(t, err)
			for _, row := range rows {
				if row.RunID == run {
					pause := time.Until(row.RunAt)
					require.True(t, want[0] < pause && pause < want[1], "%s", pause)
				}
			}
		}
	})
}

func TestThePauseGrowsWithTheAgeOfARunFromOneSecondToAboutAnHour(t *testing.T) {
	t.Parallel()
	require.Equal(t, time.Second, unroutedPause(time.Now().Add(time.Minute)), "clocks differ")
	last := time.Duration(0)
	for age := time.Second; age < 30*24*time.Hour; age *= 2 {
		pause := unroutedPause(time.Now().Add(-age))
		require.GreaterOrEqual(t, pause, last)
		require.LessOrEqual(t, pause, 2*time.Hour)
		if age <= time.Hour {
			require.GreaterOrEqual(t, pause, age)
		}
		last = pause
	}
	require.GreaterOrEqual(t, last, time.Hour)
}
