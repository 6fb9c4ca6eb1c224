package batch_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/batch"
	"parley/internal/store"
)

func TestCallsBeyondMaxWaitingAreToldToComeBack(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{Writers: 1, MaxWaiting: 5, Commit: g.commit})
		accepted := []<-chan answer{begin(t.Context(), w, row{id: "first"})}
		g.next()
		accepted = append(accepted, line(t, w, "a", "b", "c")...)
		refused := func(code apperr.Code, ids ...string) *apperr.Error {
			results, err := w.Do(t.Context(), rowsOf(ids...)...)
			require.Empty(t, results)
			var e *apperr.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, code, e.Code)
			return e
		}
		require.Equal(t, time.Second, refused(apperr.Unavailable, "x", "y", "z").RetryAfter, "all of a call or nothing")
		accepted = append(accepted, begin(t.Context(), w, rowsOf("d", "e")...))
		until(t, w, 5)
		require.Positive(t, refused(apperr.Unavailable, "x").RetryAfter)
		require.Zero(t, refused(apperr.TooLarge, "1", "2", "3", "4", "5", "6").RetryAfter, "coming back wouldn't help")
		require.Equal(t, 5, w.Waiting())

		g.open()
		require.Equal(t, []string{"a", "b", "c", "d", "e"}, g.next())
		accepted = append(accepted, line(t, w, "f")...)
		g.open()
		g.open()
		for _, later := range accepted {
			receive(t, later).ok(t)
		}
		require.Equal(t, once("first", "a", "b", "c", "d", "e", "f"), stored(t, s))
	})
}

func TestCallThatEndsWhileItWaitsWritesNothing(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{Writers: 1, Commit: g.commit})
		first := begin(t.Context(), w, row{id: "first"})
		g.next()
		// Of the calls 0 to 8 every third remains: the list loses its head, its
		// tail and neighbours.
		ctx, cancel := context.WithCancel(t.Context())
		var gone, stay []<-chan answer
		for i := range 9 {
			if i%3 == 1 {
				stay = append(stay, begin(t.Context(), w, row{id: fmt.Sprint(i)}))
			} else {
				gone = append(gone, begin(ctx, w, row{id: fmt.Sprint(i)}))
			}
			until(t, w, i+1)
		}
		cancel()
		for _, later := range gone {
			a := receive(t, later)
			require.ErrorIs(t, a.err, context.Canceled)
			require.ErrorContains(t, a.err, "nothing was written")
			require.Empty(t, a.results)
		}
		require.Equal(t, 3, w.Waiting())
		g.open()
		require.Equal(t, []string{"1", "4", "7"}, g.next())
		g.open()
		for _, later := range append(stay, first) {
			receive(t, later).ok(t)
		}
		require.Equal(t, once("first", "1", "4", "7"), stored(t, s))
	})
}

func TestCallOutOfTimeBeforeItsTurnIsATimeout(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{Writers: 1, Commit: g.commit})
		first := begin(t.Context(), w, row{id: "first"})
		g.next()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 2 { // the second time it is over before it begins
			a := receive(t, begin(ctx, w, row{id: "late"}))
			require.Equal(t, apperr.Timeout, apperr.CodeOf(a.err))
			require.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		g.open()
		receive(t, first).ok(t)
		require.Equal(t, once("first"), stored(t, s))
	})
}

func TestCallThatEndsInsideATransactionHearsWhatBecameOfIt(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{Writers: 1, Commit: g.commit})
		ctx, cancel := context.WithCancel(t.Context())
		good := begin(ctx, w, row{id: "good", size: 7})
		g.next()
		wrong := begin(ctx, w, row{id: "wrong", size: bad})
		until(t, w, 1)
		g.open()
		g.next()
		cancel()
		a := receive(t, good)
		a.ok(t)
		require.Equal(t, int64(7), a.results[0].Value)
		require.Empty(t, wrong, "it waits for the outcome")
		g.open()
		a = receive(t, wrong)
		require.NoError(t, a.err)
		require.ErrorContains(t, a.results[0].Err, "constraint")
		require.Equal(t, once("good"), stored(t, s))
	})
}

// A call that is too large for one transaction may end between two.
func TestCallThatEndsHalfWrittenSaysWhichHalf(t *testing.T) {
	onRows(t, func(t *testing.T, s *store.Store) {
		g := newGate(t, s)
		w := batch.New(s, batch.Config[row, int64]{Writers: 1, MaxItems: 2, Commit: g.commit})
		ctx, cancel := context.WithCancel(t.Context())
		later := begin(ctx, w, rowsOf("a", "b", "c", "d", "e")...)
		g.next()
		other := begin(t.Context(), w, row{id: "other"})
		until(t, w, 4)
		cancel()
		until(t, w, 1)
		g.open()
		a := receive(t, later)
		require.NoError(t, a.err)
		require.Len(t, a.results, 5)
		for i, r := range a.results {
			if i < 2 {
				require.Equal(t, batch.Result[int64]{Value: int64(i)}, r)
			} else {
				require.ErrorIs(t, r.Err, context.Canceled)
			}
		}
		g.open()
		receive(t, other).ok(t)
		require.Equal(t, once("a", "b", "other"), stored(t, s))
	})
}
