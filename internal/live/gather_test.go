package live_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/feed"
	"parley/internal/live"
	"parley/internal/store"
)

type gathered = live.Gathered[gen.Post]

// people makes accounts.
func (h *house) people(n int) []string {
	h.t.Helper()
	ids := make([]string, n)
	system := auth.System(h.t.Context(), "test")
	for i := range ids {
		ids[i] = store.NewID("user")
		require.NoError(h.t, h.store.Tx(system, func(ctx context.Context) error {
			return h.store.Client(ctx).User.Create().SetID(ids[i]).SetEmail(ids[i]).SetEmailKey(ids[i]).SetPasswordHash("h").Exec(ctx)
		}))
	}
	return ids
}

func (h *house) followOf(a, b string) {
	h.t.Helper()
	_, err := h.feed.Follow(as(h.t, a), b)
	require.NoError(h.t, err)
}

func (h *house) unfollow(a, b string) {
	h.t.Helper()
	_, err := h.feed.Unfollow(as(h.t, a), b)
	require.NoError(h.t, err)
}

func (h *house) post(author, title string) *gen.Post {
	h.t.Helper()
	w, err := h.feed.Create(as(h.t, author), feed.CreateInput{Title: title})
	require.NoError(h.t, err)
	return w.Post
}

// gather opens the stream of a viewer's feed.
func (h *house) gather(ctx context.Context, after *event.Cursor) <-chan gathered {
	h.t.Helper()
	items, err := live.Gather(ctx, h.streams, h.feed.Gathering(), after, nil, func(g gathered) gathered { return g })
	require.NoError(h.t, err)
	return items
}

// titled is the next message, which has a post of that title.
func titled(t testing.TB, from <-chan gathered, title string) gathered {
	t.Helper()
	g := next(t, from)
	require.Empty(t, g.Reset)
	require.Equal(t, title, g.Object.Title)
	return g
}

func TestWhomOneFollowsMeanwhileIsHeardFromThenOn(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		p := h.people(3)
		h.followOf(p[0], p[1])
		h.post(p[1], "before")
		h.position()
		items := h.gather(as(t, p[0]), nil)
		h.post(p[1], "1")
		h.post(p[2], "not followed")
		h.post(p[0], "own")
		titled(t, items, "1")
		titled(t, items, "own")
		h.followOf(p[0], p[2])
		h.post(p[2], "2")
		titled(t, items, "2")
		h.unfollow(p[0], p[1])
		h.post(p[1], "not followed any more")
		h.post(p[2], "3")
		titled(t, items, "3")
		_, err := h.feed.Block(as(t, p[2]), p[0])
		require.NoError(t, err)
		h.post(p[2], "blocked")
		h.followOf(p[0], p[1])
		h.post(p[1], "4")
		titled(t, items, "4")
	})
}

func TestAFeedResumesOnAnyProcessWithWhatWasMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		p := h.people(3)
		h.followOf(p[0], p[1])
		h.followOf(p[0], p[2])
		h.position()
		ctx, leave := context.WithCancel(as(t, p[0]))
		items := h.gather(ctx, nil)
		h.post(p[1], "1")
		at := titled(t, items, "1").Cursor
		leave()
		deleted := h.post(p[1], "deleted")
		h.unfollow(p[0], p[2])
		h.post(p[2], "not followed")
		h.followOf(p[0], p[2])
		h.post(p[2], "2")
		_, err := h.feed.Delete(as(t, p[1]), deleted.ID)
		require.NoError(t, err)
		h.position()

		other := newHouse(t, h.store, h.bus)
		other.runHub()
		other.ready()
		items = other.gather(as(t, p[0]), &at)
		titled(t, items, "2")
		h.post(p[1], "3")
		titled(t, items, "3")
	})
}

// Readers of the same places are given the same, whether they were there all the time, came
// and went, or read it all from the log afterwards.
func TestAFeedIsTheSameLiveAndFromTheLogWhileFollowsChange(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		p := h.people(6)
		viewer, authors := p[0], p[1:]
		start := h.log.Cursor(h.position())
		whole := h.gather(as(t, viewer), &start)
		var busy sync.WaitGroup
		for i, author := range authors {
			busy.Go(func() {
				for n := range 30 {
					_, err := h.feed.Create(as(t, author), feed.CreateInput{Title: fmt.Sprint(i, ".", n)})
					assert.NoError(t, err)
				}
			})
		}
		busy.Go(func() {
			dice := rand.New(rand.NewPCG(1, 2))
			for range 60 {
				change := h.feed.Follow
				if dice.IntN(3) == 0 {
					change = h.feed.Unfollow
				}
				_, err := change(as(t, viewer), authors[dice.IntN(len(authors))])
				assert.NoError(t, err)
			}
		})
		busy.Wait()
		h.post(viewer, "the end")
		var got []string
		for {
			g := next(t, whole)
			got = append(got, g.Object.Title)
			if g.Object.Title == "the end" {
				break
			}
		}
		require.Greater(t, len(got), 1)
		h.position()
		var again []string
		for at := &start; len(again) < len(got); { // three at a time
			ctx, leave := context.WithCancel(as(t, viewer))
			items := h.gather(ctx, at)
			for range min(3, len(got)-len(again)) {
				g := next(t, items)
				again, at = append(again, g.Object.Title), &g.Cursor
			}
			leave()
		}
		require.Equal(t, got, again)
	})
}

func TestAFeedSaysThatHistoryIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		p := h.people(3)
		h.followOf(p[0], p[1])
		h.followOf(p[0], p[2])
		for i := range 6 {
			h.post(p[1], fmt.Sprint(i))
		}
		h.unfollow(p[0], p[2])
		h.position()
		_, err := h.log.Trim(t.Context(), time.Hour, 3)
		require.NoError(t, err)
		for reason, after := range map[string]event.Cursor{"EXPIRED": *h.at(1), "EPOCH": {Epoch: "restored", Position: 1}} {
			items := h.gather(as(t, p[0]), &after)
			g := next(t, items)
			require.Equal(t, reason, g.Reset)
			require.Nil(t, g.Object)
			h.post(p[2], "not followed any more")
			h.post(p[1], "next")
			titled(t, items, "next")
		}
	})
}

func TestASlowReaderOfAFeedIsServedFromTheTable(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		p := h.people(2)
		h.followOf(p[0], p[1])
		h.position()
		items := h.gather(as(t, p[0]), nil)
		const n = live.Pending + 60
		for i := range n {
			h.post(p[1], fmt.Sprint(i))
		}
		for i := range n {
			titled(t, items, fmt.Sprint(i))
		}
	})
}

func TestAFeedLeavesNothingBehindAndIsForPeople(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		p := h.people(40)
		for _, author := range p[1:] {
			h.followOf(p[0], author)
		}
		before := h.hub.Subscriptions()
		ctx, leave := context.WithCancel(as(t, p[0]))
		items := h.gather(ctx, nil)
		h.post(p[39], "of one of many")
		titled(t, items, "of one of many")
		h.unfollow(p[0], p[39])
		h.post(p[38], "again")
		titled(t, items, "again")
		leave()
		ends(t, items)
		require.Equal(t, before, h.hub.Subscriptions())
		for _, ctx := range []context.Context{t.Context(), auth.With(t.Context(), auth.Viewer{ID: p[0], Key: "key_1"})} {
			_, err := live.Gather(ctx, h.streams, h.feed.Gathering(), nil, nil, func(g gathered) gathered { return g })
			require.Error(t, err)
		}
	})
}
