package event_test

import (
	"context"
	"errors"
	"strings"
	"testing"
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
				if woken > 0 {
					t.Error("woken before the commit")
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			if end == nil {
				if woken != 1 {
					t.Errorf("woken %d times", woken)
				}
				woken = 0
			}
		}
		if woken != 0 {
			t.Errorf("woken %d times for what was rolled back", woken)
		}
	})
}

func TestATransactionsCursorLiesBeforeAllThatItAppends(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		w.append(change("u:a", "before", 1))
		w.position()
		before, err := w.Tx(t.Context(), func(ctx context.Context) error { return w.Append(ctx, change("u:a", "inside", 1)) })
		if err != nil {
			t.Fatal(err)
		}
		w.position()
		f := everything()
		f.After = before.Position
		if all := w.read(f); len(all) != 1 || all[0].Object != "inside" || before.Epoch != w.Epoch() {
			t.Errorf("behind %+v lies %+v", before, all)
		}
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
		if err == nil || !strings.Contains(err.Error(), `"Forgotten" is announced by no domain`) {
			t.Errorf("got %v", err)
		}
	})
}
