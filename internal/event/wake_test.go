package event_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheRelayIsWokenOnceForEachCommitThatLeavesEvents(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		woken := 0
		w.OnCommit(func() { woken++ })
		oops := errors.New("oops")
		for _, end := range []error{nil, oops} {
			err := w.store.Tx(t.Context(), func(ctx context.Context) error {
				w.Wake(ctx) // rows of the outbox come with it
				if err := errors.Join(w.Append(ctx, change("u:a", "n", 1)), w.Append(ctx, change("u:a", "n", 2))); err != nil {
					return err
				}
				assert.LessOrEqual(t, woken, 0, "woken before the commit")
				return end
			})
			require.ErrorIs(t, err, end)
			if end == nil {
				assert.Equal(t, 1, woken, "woken %d times", woken)
				woken = 0
			}
		}
		assert.Zero(t, woken, "woken %d times for what was rolled back", woken)
	})
}

func TestATransactionsCursorLiesBeforeAllThatItAppends(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		w.append(change("u:a", "before", 1))
		w.position()
		before, err := w.Tx(t.Context(), func(ctx context.Context) error { return w.Append(ctx, change("u:a", "inside", 1)) })
		require.NoError(t, err)
		w.position()
		f := everything()
		f.After = before.Position
		all := w.read(f)
		assert.True(t, len(all) == 1 && all[0].Object == "inside" && before.Epoch == w.Epoch(), "behind %+v lies %+v", before, all)
	})
}

func TestAnEventThatNoDomainAnnouncesIsRefused(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		c := change("u:a", "n", 1)
		w.Announce([]string{c.Type})
		w.append(c)
		c.Type = "Forgotten"
		_, err := w.Tx(t.Context(), func(ctx context.Context) error { return w.Append(ctx, c) })
		assert.Error(t, err)
		assert.ErrorContains(t, err, `"Forgotten" is announced by no domain`)
	})
}
