package feed_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/feed"
	"parley/internal/page"
	"parley/internal/store"
)

// F1: the time was ignored, and posts came in the order in which they were stored.
func TestAFeedHasTheNewestFirstAndCountsWhatIsNewerThanWhatWasSeen(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		a.follows(b)
		one := b.post("1")
		a.post("2")
		three := b.post("3")
		require.Equal(t, "3 2 1", a.titles())
		require.Equal(t, "3 1", b.titles(), "bert does not follow anna")
		counts := func(seenUntil *time.Time) (newer, older int) {
			h, err := r.Home(a.ctx(), feed.HomeArgs{SeenUntil: seenUntil})
			require.NoError(t, err)
			require.Equal(t, "3 2 1", titles(h.Page), "what was seen stays in the list")
			if newer, err = h.NewPosts(); err == nil {
				older, err = h.UnseenOlder()
			}
			require.NoError(t, err)
			return newer, older
		}
		newer, _ := counts(nil)
		require.Equal(t, 3, newer, "nothing was seen")
		newer, _ = counts(&one.CreatedAt)
		require.Equal(t, 2, newer, "a mark for this call")
		seen, err := r.MarkSeen(a.ctx(), three.CreatedAt)
		require.NoError(t, err)
		require.Equal(t, []string{"u:" + a.id + " FeedMarked " + a.id}, r.events(seen.Cursor)[len(r.events(seen.Cursor))-1:])
		newer, _ = counts(nil)
		require.Zero(t, newer)
		seen, err = r.MarkSeen(a.ctx(), one.CreatedAt)
		require.NoError(t, err)
		require.True(t, seen.Until.Equal(three.CreatedAt), "it only moves forward")
		seen, err = r.MarkSeen(a.ctx(), time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.False(t, seen.Until.After(time.Now()), "nobody has seen what is still to come")
	})
}

func TestAMarkOutlivesItsPostAndCountsWhatCameInBelowIt(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b, c := r.one("anna"), r.one("bert"), r.one("carl")
		a.follows(b)
		c.post("old 1")
		c.post("old 2")
		p := b.post("seen")
		_, err := r.MarkSeen(a.ctx(), p.CreatedAt)
		require.NoError(t, err)
		b.deletes(p)
		b.post("new")
		a.follows(c)
		c.post("new too")
		h := a.home(page.Args{})
		newer, err := h.NewPosts()
		require.NoError(t, err)
		older, err := h.UnseenOlder()
		require.NoError(t, err)
		require.Equal(t, []int{2, 2}, []int{newer, older})
		require.Equal(t, p.CreatedAt, *h.SeenUntil)
		_, err = r.MarkSeen(a.ctx(), p.CreatedAt)
		require.NoError(t, err)
		older, err = a.home(page.Args{}).UnseenOlder()
		require.NoError(t, err)
		require.Zero(t, older, "told again, the old ones were seen")
	})
}

// F2: two of the three test posts shared a time, so that a cursor by time alone repeated or
// skipped one.
func TestPostsOfOneTimeAreNeitherRepeatedNorSkipped(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(5)
		a := all[0]
		a.follows(all[1:]...)
		r.At(store.Now())
		for i := range 30 {
			all[i%5].post(fmt.Sprint(i))
		}
		whole := strings.Fields(a.titles())
		require.Len(t, whole, 30)
		for _, size := range []int{1, 4, 7} {
			var down, up []string
			args := page.Args{First: &size}
			for {
				h := a.home(args)
				down = append(down, strings.Fields(titles(h.Page))...)
				if !h.HasNext {
					break
				}
				args.After = &h.Edges[len(h.Edges)-1].Cursor
			}
			require.Equal(t, whole, down, "by %d", size)
			args = page.Args{Last: &size}
			for {
				h := a.home(args)
				up = append(strings.Fields(titles(h.Page)), up...)
				if !h.HasPrevious {
					break
				}
				args.Before = &h.Edges[0].Cursor
			}
			require.Equal(t, whole, up, "by %d from the end", size)
		}
	})
}

// F3: an unknown user was an error of the server.
func TestTheFeedOfWhoeverFollowsNobodyAndThePostsOfNobodyAreEmpty(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a := r.one("anna")
		h := a.home(page.Args{})
		require.Empty(t, h.Edges)
		require.False(t, h.HasNext || h.HasPrevious)
		require.Nil(t, h.Gap)
		p, err := r.Posts(a.ctx(), ptr(store.NewID("user")), page.Args{})
		require.NoError(t, err)
		require.Empty(t, p.Edges)
	})
}

// F4: what a client sent was a key of the store, so that other keys were readable. F5: anybody
// read anybody's feed, and reading one overwrote another's.
func TestAFeedIsTheViewersOwnAndReadingItChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		b.post("p")
		_, err := r.Home(t.Context(), feed.HomeArgs{})
		refused(t, err, apperr.Unauthenticated)
		for _, id := range []string{"secret", "user_secret", "*", "", "user_01M7YN3J462RR16JDN967M2GM8' OR 1=1"} {
			_, err = r.Posts(a.ctx(), &id, page.Args{})
			refused(t, err, apperr.BadInput, "author")
		}
		_, err = r.Posts(a.ctx(), ptr(store.NewID("post")), page.Args{})
		refused(t, err, apperr.NotFound)
		r.settle()
		head, err := r.log.Head(t.Context())
		require.NoError(t, err)
		for range 3 {
			require.Empty(t, a.titles())
			require.Equal(t, "p", b.titles())
		}
		require.Empty(t, r.events(r.log.Cursor(head)))
		require.Equal(t, 1, r.count("posts"))
	})
}

// F6: two who published at once overwrote each other's lists.
func TestPublishersAtOnceLoseNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(6)
		reader, late := all[0], all[5]
		reader.follows(all[1:5]...)
		var busy sync.WaitGroup
		for _, author := range all[1:5] {
			for i := range 8 {
				busy.Go(func() {
					_, err := r.Create(author.ctx(), feed.CreateInput{Title: fmt.Sprint(i)})
					assert.NoError(t, err)
				})
			}
			busy.Go(func() { // who reads and follows meanwhile finds all of them, too
				_, err := r.Home(reader.ctx(), feed.HomeArgs{})
				assert.NoError(t, err)
				_, err = r.Follow(late.ctx(), author.id)
				assert.NoError(t, err)
				_, err = r.Home(late.ctx(), feed.HomeArgs{})
				assert.NoError(t, err)
			})
		}
		busy.Wait()
		require.Len(t, strings.Fields(reader.titles()), 32)
		require.Len(t, strings.Fields(late.titles()), 32)
		reader.equal(t, r)
		late.equal(t, r)
	})
}

// What is written is visible: the next read of a follower has it, whether there is a timeline
// or not.
func TestAPostIsInTheFeedsOfFollowersAsSoonAsItIsPublished(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(6)
		author := all[0]
		for i, follower := range all[1:] {
			follower.follows(author)
			require.Len(t, strings.Fields(follower.titles()), i)
			author.post(fmt.Sprint(i))
			require.Len(t, strings.Fields(follower.titles()), i+1)
		}
	})
}

func TestFollowingIsIdempotentAndChecked(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		b.post("p")
		r.settle()
		first, err := r.Follow(a.ctx(), b.id)
		require.NoError(t, err)
		require.Equal(t, "bert", *first.Profile.Handle)
		_, err = r.Follow(a.ctx(), b.id)
		require.NoError(t, err)
		require.Equal(t, []string{"u:" + a.id + " FollowChanged " + b.id + " FOLLOWED"}, r.events(first.Cursor), "once")
		require.Equal(t, "p", a.titles(), "what was there before, too")
		_, err = r.Follow(a.ctx(), a.id)
		refused(t, err, apperr.BadInput, "input", "userId")
		_, err = r.Follow(a.ctx(), store.NewID("user"))
		refused(t, err, apperr.NotFound)
		_, err = r.Follow(a.ctx(), "nonsense")
		refused(t, err, apperr.BadInput, "input", "userId")
		for range 2 {
			a.unfollows(b)
			require.Empty(t, a.titles())
		}
		followed, err := r.Followed(a.ctx(), []string{b.id})
		require.NoError(t, err)
		require.Empty(t, followed)
	})
}

func TestABlockWorksBothWays(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		a.follows(b)
		b.follows(a)
		p, q := a.post("a"), b.post("b")
		a.blocks(b)
		require.Equal(t, "a", a.titles())
		require.Equal(t, "b", b.titles())
		for _, one := range []struct {
			who   someone
			other someone
			post  string
		}{{a, b, q.ID}, {b, a, p.ID}} {
			_, err := r.Get(one.who.ctx(), one.post)
			refused(t, err, apperr.NotFound)
			_, err = r.Like(one.who.ctx(), one.post)
			refused(t, err, apperr.NotFound)
			posts, err := r.Posts(one.who.ctx(), &one.other.id, page.Args{})
			require.NoError(t, err)
			require.Empty(t, posts.Edges)
			_, err = r.Follow(one.who.ctx(), one.other.id)
			refused(t, err, apperr.Forbidden)
		}
		_, err := r.Get(b.admin(), p.ID)
		require.NoError(t, err, "admins see all")
		_, err = r.Unblock(b.ctx(), a.id)
		require.NoError(t, err)
		_, err = r.Get(b.ctx(), p.ID)
		refused(t, err, apperr.NotFound)
		_, err = r.Unblock(a.ctx(), b.id)
		require.NoError(t, err)
		require.Equal(t, "b", b.titles(), "who followed whom does not come back")
		b.follows(a)
		require.Equal(t, "b a", b.titles())
	})
}

func TestAGapIsToldAndFilledFromEitherEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		a.follows(b)
		for i := range 20 {
			b.post(fmt.Sprint(i))
		}
		whole := a.home(page.Args{First: ptr(100)}).Edges
		newer, older := whole[2], whole[17] // 14 lie between
		h := a.home(page.Args{First: ptr(5), After: &newer.Cursor, Before: &older.Cursor})
		require.Equal(t, "16 15 14 13 12", titles(h.Page))
		require.Equal(t, whole[7].Cursor, h.Gap.Newer)
		require.Equal(t, older.Cursor, h.Gap.Older)
		count, err := h.Gap.Count()
		require.NoError(t, err)
		require.Equal(t, 9, count)
		h = a.home(page.Args{Last: ptr(5), After: &h.Gap.Newer, Before: &h.Gap.Older})
		require.Equal(t, "7 6 5 4 3", titles(h.Page), "from the older end")
		require.Equal(t, whole[7].Cursor, h.Gap.Newer)
		require.Equal(t, whole[12].Cursor, h.Gap.Older)
		count, err = h.Gap.Count()
		require.NoError(t, err)
		require.Equal(t, 4, count)
		h = a.home(page.Args{First: ptr(4), After: &h.Gap.Newer, Before: &h.Gap.Older})
		require.Equal(t, "11 10 9 8", titles(h.Page))
		require.Nil(t, h.Gap, "it is filled")
		h = a.home(page.Args{First: ptr(0), After: &newer.Cursor, Before: &older.Cursor})
		count, err = h.Gap.Count()
		require.NoError(t, err)
		require.Equal(t, 14, count)
		h = a.home(page.Args{First: ptr(5), After: &older.Cursor, Before: &newer.Cursor})
		require.Empty(t, h.Edges, "nothing lies between places in the wrong order")
		require.Nil(t, h.Gap)
		h = a.home(page.Args{First: ptr(5), After: &newer.Cursor})
		require.Nil(t, h.Gap, "one place is a page like any other")
		require.True(t, h.HasNext)
	})
}

// A page that ends early since something was filtered out of it looks like the end.
func TestNoPageEndsEarly(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(4)
		a := all[0]
		a.follows(all[1:]...)
		for i := range 36 {
			p := all[1+i%3].post(fmt.Sprint(i))
			if i%4 == 0 {
				all[1+i%3].deletes(p)
			}
		}
		all[2].blocks(a)
		a.unfollows(all[3])
		left := strings.Fields(a.titles())
		require.Len(t, left, 9)
		size := 3
		for args := (page.Args{First: &size}); ; {
			h := a.home(args)
			require.Len(t, h.Edges, size)
			if left = left[size:]; len(left) == 0 {
				require.False(t, h.HasNext)
				break
			}
			require.True(t, h.HasNext)
			args.After = &h.Edges[size-1].Cursor
		}
	})
}
