package feed_test

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
	"parley/internal/feed"
	"parley/internal/page"
	"parley/internal/testkit/dbtest"
)

// plain is a room that reads feeds from the tables alone.
func (r *room) plain() *feed.Service { return r.With(feed.Config{Fanout: usual.Fanout}) }

// equal tells that a feed is, post for post, what the tables say, from both ends and in pages,
// with its counts and gaps.
func (s someone) equal(t testing.TB, r *room) {
	t.Helper()
	whole := everything(t, s, r.plain(), page.Args{First: ptr(100)})
	for _, args := range []page.Args{{First: ptr(100)}, {First: ptr(5)}, {Last: ptr(5)}} {
		require.Equal(t, whole, everything(t, s, r.Service, args), "by %v from %v", *orElse(args.First, args.Last), args)
	}
	if len(whole) < 4 {
		return
	}
	h := s.home(page.Args{First: ptr(100)})
	n := len(h.Edges)
	after, before := h.Edges[0], h.Edges[n-1]
	for _, args := range []page.Args{{First: ptr(1), After: &after.Cursor, Before: &before.Cursor}, {Last: ptr(1), After: &after.Cursor, Before: &before.Cursor}} {
		gap := s.home(args).Gap
		if n == 3 {
			continue
		}
		count, err := gap.Count()
		require.NoError(t, err)
		require.Equal(t, n-3, count)
	}
	got, err := r.Home(s.ctx(), feed.HomeArgs{SeenUntil: &h.Edges[n/2].Node.CreatedAt})
	require.NoError(t, err)
	want, err := r.plain().Home(s.ctx(), feed.HomeArgs{SeenUntil: &h.Edges[n/2].Node.CreatedAt})
	require.NoError(t, err)
	a, err := got.NewPosts()
	require.NoError(t, err)
	b, err := want.NewPosts()
	require.NoError(t, err)
	require.Equal(t, b, a)
}

func orElse[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// everything reads a whole feed page by page.
func everything(t testing.TB, s someone, r *feed.Service, args page.Args) []string {
	t.Helper()
	ids := []string{}
	for {
		h, err := r.Home(s.ctx(), feed.HomeArgs{Args: args})
		require.NoError(t, err)
		some := make([]string, len(h.Edges))
		for i, e := range h.Edges {
			some[i] = e.Node.ID
		}
		if args.Last != nil {
			if ids = append(some, ids...); !h.HasPrevious {
				return ids
			}
			args.Before = &h.Edges[0].Cursor
		} else {
			if ids = append(ids, some...); !h.HasNext {
				return ids
			}
			args.After = &h.Edges[len(h.Edges)-1].Cursor
		}
	}
}

// wipe deletes rows of timelines behind the service's back.
func (r *room) wipe(where string) {
	r.t.Helper()
	_, err := r.store.Exec(r.t.Context(), "DELETE FROM timeline_entries WHERE "+where)
	require.NoError(r.t, err)
}

// village is some accounts and what they do at random.
type village struct {
	*room
	all   []someone
	posts []*gen.Post
	owner map[string]someone
	dice  *rand.Rand
	off   bool
}

func (v *village) anyone() someone { return v.all[v.dice.IntN(len(v.all))] }

// act does one thing.
func (v *village) act(now time.Time) {
	a, b := v.anyone(), v.anyone()
	if v.dice.IntN(5) > 0 {
		v.At(now)
	} // else several posts have one time
	switch n := v.dice.IntN(100); {
	case n < 40:
		service := v.Service
		if v.off {
			service = v.plain()
		}
		w, err := service.Create(a.ctx(), feed.CreateInput{Title: fmt.Sprint(len(v.posts))})
		require.NoError(v.t, err)
		v.posts, v.owner[w.Post.ID] = append(v.posts, w.Post), a
	case n < 70 && a.id != b.id:
		service := v.Service
		if v.off {
			service = v.plain()
		}
		_, _ = service.Follow(a.ctx(), b.id) // perhaps one blocked the other
	case n < 80 && a.id != b.id:
		a.unfollows(b)
	case n < 83 && a.id != b.id:
		a.blocks(b)
	case n < 86 && a.id != b.id:
		_, err := v.Unblock(a.ctx(), b.id)
		require.NoError(v.t, err)
	case n < 93 && len(v.posts) > 0:
		i := v.dice.IntN(len(v.posts))
		v.owner[v.posts[i].ID].deletes(v.posts[i])
		v.posts = append(v.posts[:i], v.posts[i+1:]...)
	case n < 94:
		require.NoError(v.t, v.Trim(v.t.Context()))
	case n < 95:
		wrong, err := v.Verify(v.t.Context(), 100)
		require.NoError(v.t, err)
		require.Zero(v.t, wrong)
	case n < 96:
		v.wipe("TRUE") // all timelines are lost
	case n < 97:
		v.wipe("created_at < (SELECT MAX(created_at) FROM timeline_entries WHERE post_id <> '')")
		v.wipe("post_id = ''") // half of each
	case n < 98:
		v.off = !v.off
	default:
		a.titles() // fills a timeline
	}
}

// The promise of timelines: whatever happened, they show what the tables say.
func TestAThousandRandomStepsLeaveEveryTimelineEqualToTheTables(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		seed := rand.Uint64()
		t.Logf("the seed is %d", seed)
		v := &village{room: r, all: r.some(7), owner: map[string]someone{}, dice: rand.New(rand.NewPCG(seed, 1))}
		now := time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
		for i := range 1000 {
			now = now.Add(time.Microsecond)
			v.act(now)
			if i%50 == 49 {
				v.anyone().equal(t, r)
			}
		}
		for _, s := range v.all {
			s.equal(t, r)
		}
		r.wipe("TRUE")
		for _, s := range v.all {
			s.equal(t, r)
			s.equal(t, r) // filled anew
		}
		require.NoError(t, r.Trim(t.Context()))
		for _, s := range v.all {
			s.equal(t, r)
		}
	})
}

func TestTheFollowersOfALargeAuthorReadItsPostsWhereTheyAre(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(6)
		author := all[0]
		copies := func() int {
			t.Helper()
			return r.count("timeline_entries WHERE post_id <> ''")
		}
		for i := range usual.Fanout {
			all[i+1].follows(author)
		}
		author.post("copied")
		require.Equal(t, usual.Fanout, copies())
		all[4].follows(author) // one too many
		author.post("merged")
		require.Equal(t, usual.Fanout, copies(), "publishing costs the same for any number of followers from here on")
		for _, follower := range all[1:5] {
			require.Equal(t, "merged copied", follower.titles())
			follower.equal(t, r)
		}
		for _, follower := range all[2:5] {
			follower.unfollows(author)
		}
		all[5].follows(author) // among few again
		author.post("copied again")
		require.Equal(t, "copied again merged copied", all[5].titles())
		require.Equal(t, "copied again merged copied", all[1].titles(), "merged since it became large")
		for _, s := range all {
			s.equal(t, r)
		}
	})
}

func TestATimelineIsFilledWhenItIsReadAndCutWhenItIsLong(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		a.follows(b)
		_, filled, err := r.Floor(t.Context(), a.id)
		require.NoError(t, err)
		require.False(t, filled)
		for i := range 30 {
			b.post(fmt.Sprint(i))
		}
		a.titles()
		floor, filled, err := r.Floor(t.Context(), a.id)
		require.NoError(t, err)
		require.True(t, filled)
		a.equal(t, r)
		for i := range 30 {
			b.post(fmt.Sprint(30 + i))
		}
		a.equal(t, r)
		require.NoError(t, r.Trim(t.Context()))
		require.Equal(t, usual.Timeline, r.count("timeline_entries WHERE post_id <> ''"))
		higher, _, err := r.Floor(t.Context(), a.id)
		require.NoError(t, err)
		require.True(t, higher.After(floor))
		a.equal(t, r)
	})
}

func TestFollowingAnAuthorOfManyPostsKeepsATimelineWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b, c := r.one("anna"), r.one("bert"), r.one("carl")
		c.post("first of all")
		for i := range 30 {
			b.post(fmt.Sprint(i))
		}
		a.follows(c)
		a.titles()
		a.follows(b) // has more than the timeline keeps
		a.equal(t, r)
		a.unfollows(b)
		require.Equal(t, "first of all", a.titles())
		a.equal(t, r)
	})
}

// What publishers, followers, readers and the trimming do at the same time, they do to the
// same timelines.
func TestTimelinesStayWholeWhileEverythingHappensAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(8)
		var busy sync.WaitGroup
		for i := range 8 {
			busy.Go(func() {
				dice := rand.New(rand.NewPCG(uint64(i), 3))
				for range 60 {
					a, b := all[dice.IntN(8)], all[dice.IntN(8)]
					var err error
					switch n := dice.IntN(10); {
					case n < 4:
						_, err = r.Create(a.ctx(), feed.CreateInput{Title: "p"})
					case n < 7 && a.id != b.id:
						_, err = r.Follow(a.ctx(), b.id)
					case n < 8 && a.id != b.id:
						_, err = r.Unfollow(a.ctx(), b.id)
					case n < 9:
						_, err = r.Home(a.ctx(), feed.HomeArgs{})
					case dice.IntN(2) == 0:
						err = r.Trim(t.Context())
					default:
						var wrong int
						wrong, err = r.Verify(t.Context(), 3)
						assert.Zero(t, wrong)
					}
					assert.NoError(t, err)
				}
			})
		}
		busy.Wait()
		for _, s := range all {
			s.equal(t, r)
		}
	})
}

// The one who follows does not see the post that is not committed, and who publishes does not
// see the follow: one of them has to wait.
func TestAPostThatIsPublishedWhileSomebodyBeginsToFollowIsInTheirFeed(t *testing.T) {
	t.Parallel()
	r := newRoom(t, dbtest.Open(t, dbtest.Postgres(t)), usual)
	a, b, c := r.one("anna"), r.one("bert"), r.one("carl")
	c.post("old")
	a.follows(c)
	require.Equal(t, "old", a.titles(), "there is a timeline")
	published := make(chan error, 1)
	require.NoError(t, r.store.Tx(a.ctx(), func(ctx context.Context) error {
		if _, err := r.Follow(ctx, b.id); err != nil {
			return err
		}
		go func() {
			_, err := r.Create(b.ctx(), feed.CreateInput{Title: "meanwhile"})
			published <- err
		}()
		require.Eventually(t, func() bool {
			return len(published) > 0 || r.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
		}, 10*time.Second, time.Millisecond)
		return nil
	}))
	require.NoError(t, <-published)
	require.Equal(t, "meanwhile old", a.titles())
	a.equal(t, r)
}

// What nobody should do: entries deleted, and the floor left.
func TestATimelineThatLostPostsIsFoundAndFilledAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b, c := r.one("anna"), r.one("bert"), r.one("carl")
		a.follows(b, c)
		c.follows(b)
		for i := range 8 {
			b.post(fmt.Sprint(i))
		}
		a.titles()
		c.titles()
		wrong, err := r.Verify(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, wrong)
		posts := a.home(page.Args{}).Edges
		r.wipe("user_id = '" + a.id + "' AND post_id IN ('" + posts[1].Node.ID + "', '" + posts[5].Node.ID + "')")
		require.Equal(t, "7 5 4 3 1 0", a.titles(), "nobody notices at once")
		wrong, err = r.Verify(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 1, wrong)
		a.equal(t, r)
		c.equal(t, r)
		wrong, err = r.Verify(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, wrong)
	})
}
