package feed_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/feed"
	"parley/internal/media"
	"parley/internal/page"
	"parley/internal/store"
)

func TestAPostNeedsSomethingToSay(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a := r.one("anna")
		for _, in := range []feed.CreateInput{{}, {Title: " ", Content: "\n"}} {
			_, err := r.Create(a.ctx(), in)
			refused(t, err, apperr.BadInput, "input", "content")
		}
		_, err := r.Create(a.ctx(), feed.CreateInput{Title: strings.Repeat("ä", 201), Content: strings.Repeat("ä", 10_001)})
		require.Len(t, apperr.List(err), 2)
		_, err = r.Create(a.ctx(), feed.CreateInput{Title: "nul\x00"})
		refused(t, err, apperr.BadInput, "input", "title")
		_, err = r.Create(t.Context(), feed.CreateInput{Title: "x"})
		refused(t, err, apperr.Unauthenticated)
		w, err := r.Create(a.ctx(), feed.CreateInput{Title: strings.Repeat("ä", 200), Content: strings.Repeat("ä", 10_000)})
		require.NoError(t, err)
		require.Equal(t, a.id, w.Post.AuthorID)
		require.ElementsMatch(t, []string{
			"a:" + a.id + " PostPublished " + w.Post.ID, "u:" + a.id + " PostChanged " + w.Post.ID + " CREATED",
		}, r.events(w.Cursor), "one event for followers, however many, and one for the author")
	})
}

func TestARepeatedCallPublishesOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a := r.one("anna")
		in := feed.CreateInput{Title: "once", IdempotencyKey: ptr("k")}
		first, err := r.Create(a.ctx(), in)
		require.NoError(t, err)
		again, err := r.Create(a.ctx(), in)
		require.NoError(t, err)
		require.Equal(t, first.Post.ID, again.Post.ID)
		require.Equal(t, first.Cursor, again.Cursor)
		in.Title = "other"
		_, err = r.Create(a.ctx(), in)
		refused(t, err, apperr.IdempotencyMismatch)
		a.deletes(first.Post)
		in.Title = "once"
		_, err = r.Create(a.ctx(), in)
		refused(t, err, apperr.NotFound)
	})
}

func TestAPostHasAPictureOfItsOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		own := a.picture(media.UploadInput{Visibility: media.Private})
		others := b.picture(media.UploadInput{Visibility: media.Public})
		secret := b.picture(media.UploadInput{Visibility: media.Private})
		_, err := r.Create(a.ctx(), feed.CreateInput{ImageID: &others.ID})
		refused(t, err, apperr.Forbidden, "input", "imageId")
		_, err = r.Create(a.ctx(), feed.CreateInput{ImageID: &secret.ID})
		refused(t, err, apperr.NotFound, "input", "imageId")
		_, err = r.Create(a.ctx(), feed.CreateInput{ImageID: ptr("nonsense")})
		refused(t, err, apperr.BadInput, "input", "imageId")
		require.Zero(t, r.count("posts"))

		w, err := r.Create(a.ctx(), feed.CreateInput{ImageID: &own.ID})
		require.NoError(t, err)
		urls, err := r.Pictures(b.ctx(), []string{*w.Post.MediaID})
		require.NoError(t, err)
		require.Equal(t, "/media/"+own.Hash+".png", *urls[*w.Post.MediaID])
		last := strings.TrimPrefix(*urls[*w.Post.MediaID], "/media/")
		_, err = r.media.Serve(t.Context(), last, nil)
		require.NoError(t, err, "everybody sees it")
		_, err = r.media.Delete(a.ctx(), *w.Post.MediaID)
		refused(t, err, apperr.Forbidden)
		_, err = r.media.Delete(a.ctx(), own.ID)
		require.NoError(t, err)
		_, err = r.media.Serve(t.Context(), last, nil)
		require.NoError(t, err, "the author's picture went without it")
		a.deletes(w.Post)
		_, err = r.media.Serve(t.Context(), last, nil)
		require.NoError(t, err, "bert's has the same content")
		_, err = r.media.Delete(b.ctx(), others.ID)
		require.NoError(t, err)
		_, err = r.media.Serve(t.Context(), last, nil)
		refused(t, err, apperr.NotFound)
	})
}

func TestAPostIsDeletedByItsAuthorOrAnAdminWithAllThatHangsOnIt(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		b.follows(a)
		p, q := a.post("p"), a.post("q")
		_, err := r.Like(b.ctx(), p.ID)
		require.NoError(t, err)
		_, err = r.Report(b.ctx(), feed.ReportInput{PostID: p.ID, Reason: "spam"})
		require.NoError(t, err)
		_, err = r.Delete(b.ctx(), p.ID)
		refused(t, err, apperr.Forbidden)
		r.settle()
		w, err := r.Delete(a.ctx(), p.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"u:" + a.id + " PostChanged " + p.ID + " DELETED"}, r.events(w.Cursor))
		for _, table := range []string{"post_likes", "post_reports"} {
			require.Zero(t, r.count(table), table)
		}
		require.Equal(t, "q", b.titles())
		_, err = r.Get(a.ctx(), p.ID)
		refused(t, err, apperr.NotFound)
		_, err = r.Delete(a.ctx(), p.ID)
		refused(t, err, apperr.NotFound)
		_, err = r.Delete(b.admin(), q.ID)
		require.NoError(t, err)
		require.Zero(t, r.count("posts"))
	})
}

func TestALikeCountsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		p := a.post("p")
		for range 2 {
			w, err := r.Like(b.ctx(), p.ID)
			require.NoError(t, err)
			require.EqualValues(t, 1, w.Post.LikeCount)
		}
		liked, err := r.Liked(b.ctx(), []string{p.ID})
		require.NoError(t, err)
		require.Equal(t, map[string]bool{p.ID: true}, liked)
		liked, err = r.Liked(a.ctx(), []string{p.ID})
		require.NoError(t, err)
		require.Empty(t, liked)
		for range 2 {
			w, err := r.Unlike(b.ctx(), p.ID)
			require.NoError(t, err)
			require.Zero(t, w.Post.LikeCount)
		}
		_, err = r.Like(b.ctx(), store.NewID("post"))
		refused(t, err, apperr.NotFound)
		_, err = r.Like(b.ctx(), "nonsense")
		refused(t, err, apperr.BadInput, "input", "postId")
	})
}

func TestFiftyWhoLikeAtOnceAreCountedExactly(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		p := r.one("anna").post("p")
		fans := r.some(25)
		var all sync.WaitGroup
		for i := range 50 { // each of them twice
			all.Go(func() {
				_, err := r.Like(fans[i%25].ctx(), p.ID)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		now, err := r.Get(fans[0].ctx(), p.ID)
		require.NoError(t, err)
		require.EqualValues(t, 25, now.LikeCount)
		for i := range 50 {
			all.Go(func() {
				_, err := r.Unlike(fans[i%25].ctx(), p.ID)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		now, err = r.Get(fans[0].ctx(), p.ID)
		require.NoError(t, err)
		require.Zero(t, now.LikeCount)
		require.Zero(t, r.count("post_likes"))
	})
}

func TestReportsAreForAdmins(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b, c := r.one("anna"), r.one("bert"), r.one("carl")
		p := a.post("p")
		for _, reason := range []string{"spam", "no, worse"} {
			_, err := r.Report(b.ctx(), feed.ReportInput{PostID: p.ID, Reason: reason})
			require.NoError(t, err)
		}
		_, err := r.Report(c.ctx(), feed.ReportInput{PostID: p.ID, Reason: "me too"})
		require.NoError(t, err)
		_, err = r.Report(a.ctx(), feed.ReportInput{PostID: p.ID, Reason: "mine"})
		refused(t, err, apperr.BadInput, "input", "postId")
		_, err = r.Report(b.ctx(), feed.ReportInput{PostID: p.ID, Reason: " "})
		refused(t, err, apperr.BadInput, "input", "reason")
		_, err = r.Report(b.ctx(), feed.ReportInput{PostID: p.ID, Reason: strings.Repeat("x", 1001)})
		refused(t, err, apperr.BadInput, "input", "reason")
		_, err = r.Reports(b.ctx(), page.Args{})
		refused(t, err, apperr.Forbidden)
		got, err := r.Reports(c.admin(), page.Args{})
		require.NoError(t, err)
		require.Len(t, got.Edges, 2)
		require.Equal(t, "me too", got.Edges[0].Node.Reason, "the newest first")
		require.Equal(t, "no, worse", got.Edges[1].Node.Reason)
		n, err := got.Count()
		require.NoError(t, err)
		require.Equal(t, 2, n)
		one := got.Edges[0].Node.ID
		found, err := r.ReportsByID(c.admin(), []string{one})
		require.NoError(t, err)
		require.Len(t, found, 1)
		found, err = r.ReportsByID(c.ctx(), []string{one})
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestProfilesAreFoundByTheBeginningOfTheirNames(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("Bert_2")
		_, err := r.SetProfile(a.ctx(), feed.ProfileInput{Handle: "ANNA", DisplayName: ptr("Ännchen")})
		require.NoError(t, err, "one's own handle in another case")
		_, err = r.SetProfile(b.ctx(), feed.ProfileInput{Handle: "aNna"})
		refused(t, err, apperr.Conflict, "input", "handle")
		for _, bad := range []string{"", "ab", "a-b", "änna", strings.Repeat("a", 31), "a b"} {
			_, err = r.SetProfile(b.ctx(), feed.ProfileInput{Handle: bad})
			refused(t, err, apperr.BadInput, "input", "handle")
		}
		_, err = r.SetProfile(b.ctx(), feed.ProfileInput{Handle: "bert", DisplayName: ptr(" ")})
		refused(t, err, apperr.BadInput, "input", "displayName")
		find := func(search *string) (handles []string) {
			p, err := r.Users(b.ctx(), search, page.Args{})
			require.NoError(t, err)
			for _, e := range p.Edges {
				handles = append(handles, *e.Node.Handle)
			}
			return handles
		}
		require.Equal(t, []string{"ANNA", "Bert_2"}, find(nil))
		require.Equal(t, []string{"ANNA"}, find(ptr("An")))
		require.Equal(t, []string{"ANNA"}, find(ptr("äNN")))
		require.Equal(t, []string{"Bert_2"}, find(ptr("bert_")))
		require.Empty(t, find(ptr("nna")))
		_, err = r.Users(b.ctx(), ptr("x\x00"), page.Args{})
		refused(t, err, apperr.BadInput, "search")
		p, err := r.Profile(b.ctx(), &a.id)
		require.NoError(t, err)
		require.Equal(t, "Ännchen", *p.DisplayName)
		_, err = r.Profile(b.ctx(), ptr(store.NewID("user")))
		refused(t, err, apperr.NotFound)
	})
}

func TestDemoPostsAreAddedOnceAndStayAwayWhenDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		require.NoError(t, r.FillDemo(t.Context()))
		n := r.count("posts")
		require.Greater(t, n, 3)
		a := r.one("anna")
		for _, id := range feed.Voices() {
			prefix, ok := store.Prefix(id)
			require.True(t, ok && prefix == "user", id)
			_, err := r.Follow(a.ctx(), id)
			require.NoError(t, err, "they can be followed")
		}
		first := a.home(page.Args{First: ptr(1)}).Edges[0].Node
		_, err := r.Delete(a.admin(), first.ID)
		require.NoError(t, err)
		require.NoError(t, r.FillDemo(t.Context()))
		require.Equal(t, n-1, r.count("posts"))
		for range 2 {
			require.NoError(t, r.Domain().Seed(a.ctx(), a.id))
		}
		require.Equal(t, n, r.count("posts"), "and one of anna's own")
	})
}

func TestNothingIsLeftOfADeletedAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b := r.one("anna"), r.one("bert")
		a.follows(b)
		b.follows(a)
		own := a.picture(media.UploadInput{Visibility: media.Private})
		_, err := r.Create(a.ctx(), feed.CreateInput{ImageID: &own.ID})
		require.NoError(t, err)
		p := b.post("p")
		_, err = r.Like(a.ctx(), p.ID)
		require.NoError(t, err)
		_, err = r.Report(a.ctx(), feed.ReportInput{PostID: p.ID, Reason: "spam"})
		require.NoError(t, err)
		_, err = r.MarkSeen(a.ctx(), p.CreatedAt)
		require.NoError(t, err)
		a.titles()
		before, err := r.log.Head(t.Context())
		require.NoError(t, err)
		kinds := map[string]int{}
		require.NoError(t, r.Domain().Account.Export(a.ctx(), a.id, func(kind string, _ any) error { kinds[kind]++; return nil }))
		require.Equal(t, map[string]int{"Post": 1, "Follow": 1, "PostLike": 1, "PostReport": 1, "Profile": 1, "FeedMark": 1}, kinds)
		for range 2 {
			require.NoError(t, r.DeleteAccount(t.Context(), a.id))
		}
		require.Contains(t, r.events(r.log.Cursor(before)), "u:"+b.id+" FollowChanged "+a.id+" UNFOLLOWED")
		require.Equal(t, "p", b.titles())
		now, err := r.Get(b.ctx(), p.ID)
		require.NoError(t, err)
		require.Zero(t, now.LikeCount)
		for table, n := range map[string]int{"posts": 1, "follows": 0, "post_likes": 0, "post_reports": 0, "profiles": 1, "feed_marks": 0, "feed_authors": 1} {
			require.Equal(t, n, r.count(table), table)
		}
	})
}
