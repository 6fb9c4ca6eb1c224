package feedback_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestADeletedStickerTakesItsVotesAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat, dog := r.sticker("cat.png"), r.sticker("dog.png")
		r.vote(person(t, ann), "a", []string{cat, dog}, nil)
		r.vote(person(t, bob), "a", nil, []string{cat, dog})
		r.vote(person(t, bob), "b", nil, []string{cat})
		counted, err := r.Chosen(person(t, ann), feedback.ChosenInput{Query: "a", StickerID: cat})
		require.NoError(t, err)
		require.True(t, counted)
		r.flush()
		require.NoError(t, r.drop(t, cat))
		require.Equal(t, []string{"a/dog.png +1 -1"}, r.standing())
		require.Equal(t, 2, r.rows("votes"))
		require.Equal(t, 1, r.rows("search_queries"), "nobody searched for b")
		require.Zero(t, r.rows("sticker_hours"))
		r.consistent()
		require.NoError(t, r.Forget(t.Context()))
		require.ErrorContains(t, r.Forget(t.Context(), cat), "outside of a transaction")
	})
}

func TestADeletedAccountTakesItsVotesAlongAndIsGivenThemBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		ids := r.stickers(30)
		own := r.sticker("own.png", ann)
		for _, query := range strings.Fields("a b c d e f g h i j k l m n o p q r s t") {
			r.vote(person(t, ann), query, ids, []string{own})
		}
		r.vote(person(t, bob), "a", []string{ids[0]}, nil)
		account := r.Domain().Account
		system := auth.System(t.Context(), "test")
		exported := 0
		require.NoError(t, account.Export(system, ann, func(kind string, row any) error {
			require.Equal(t, "Vote", kind)
			exported++
			return nil
		}))
		require.Equal(t, 620, exported)
		require.NoError(t, account.Delete(system, ann))
		require.NoError(t, account.Delete(system, ann))
		require.Equal(t, []string{"a/0.png +1 -0"}, r.standing())
		require.Equal(t, 1, r.rows("votes")*r.rows("query_scores")*r.rows("search_queries"))
		r.consistent()
	})
}

func TestWhatNobodyUsesExpires(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		for _, text := range []string{"old", "voted", "young"} {
			r.Counted(feedback.Search{Query: text, Hits: 1})
			r.flush()
		}
		visits := newRoom(t, r.store, feedback.Config{Anonymous: true})
		r.vote(person(t, ann), "voted", []string{cat}, nil)
		visits.vote(visitor(t, "v"), "voted", []string{cat}, nil)
		_, err := r.store.Exec(t.Context(), "INSERT INTO search_hours (id, searches) VALUES (1, 1)")
		require.NoError(t, err)
		require.NoError(t, r.Domain().Expire(t.Context()))
		require.Equal(t, 1, r.rows("search_hours"))
		require.Len(t, r.queries(feedback.QueryFilter{}), 3)

		long := store.Now().Add(-400 * 24 * time.Hour)
		for table, column := range map[string]string{"search_queries": "last_at", "votes": "at"} {
			_, err := r.store.Exec(t.Context(), "UPDATE "+table+" SET "+column+" = ?", long)
			require.NoError(t, err)
		}
		r.Counted(feedback.Search{Query: "young", Hits: 1})
		r.flush()
		require.NoError(t, r.Domain().Expire(t.Context()))
		require.Equal(t, []string{"young 2/0", "voted 1/0"}, r.queries(feedback.QueryFilter{}))
		require.Equal(t, []string{"voted/cat.png +1 -0"}, r.standing(), "a visitor's vote expires, a user's fades")
		r.consistent()
		require.NoError(t, r.ExpireBeyond(t.Context(), 0))
		require.Equal(t, []string{"voted 1/0"}, r.queries(feedback.QueryFilter{}), "a number is a bound too")
	})
}

func TestScoresFadeByTheAgeOfTheirVotes(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		score := func() feedback.Score {
			scores, err := r.Scores(t.Context(), "a", "unknown")
			require.NoError(t, err)
			require.Len(t, scores["a"], 1)
			return scores["a"][0]
		}
		r.vote(person(t, ann), "a", []string{cat}, nil)
		r.vote(person(t, bob), "a", []string{cat}, nil)
		r.vote(person(t, "user_cy"), "a", nil, []string{cat})
		positives, negatives := score().Faded(time.Now())
		require.InDelta(t, 2, positives, 1e-3)
		require.InDelta(t, 1, negatives, 1e-3)
		positives, negatives = score().Faded(time.Now().Add(2 * feedback.HalfLife))
		require.InDelta(t, 0.5, positives, 1e-3)
		require.InDelta(t, 0.25, negatives, 1e-3)

		// A vote of long ago that is changed takes as much away as it had left.
		long := store.Now().Add(-feedback.HalfLife)
		_, err := r.store.Exec(t.Context(), "UPDATE votes SET at = ? WHERE voter = ?", long, ann)
		require.NoError(t, err)
		_, err = r.store.Exec(t.Context(), "UPDATE query_scores SET weight_pos = weight_pos * 3 / 4")
		require.NoError(t, err)
		r.vote(person(t, ann), "a", nil, []string{cat})
		positives, negatives = score().Faded(time.Now())
		require.InDelta(t, 1, positives, 1e-3)
		require.InDelta(t, 2, negatives, 1e-3)
		r.vote(person(t, bob), "a", nil, []string{cat})
		positives, _ = score().Faded(time.Now())
		require.Zero(t, positives, "exactly")
	})
}

func TestAllJudgementsAreReadPageByPage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		ids := r.stickers(3)
		r.plant(25, ids, func(int, int) time.Time { return noon })
		r.Counted(feedback.Search{Query: "without votes", Hits: 1})
		r.flush()
		seen := map[string]int{}
		for after := ""; ; {
			some, err := r.Judgements(t.Context(), after, 10)
			require.NoError(t, err)
			for _, j := range some {
				require.Equal(t, feedback.QueryID(j.Query), j.ID)
				seen[j.Query] += len(j.Scores)
				after = j.ID
			}
			if len(some) < 10 {
				break
			}
		}
		require.Len(t, seen, 25)
		require.Equal(t, 3, seen["query 7"])
		some, err := r.Judged(t.Context(), feedback.QueryID("query 1"), feedback.QueryID("gone"), feedback.QueryID("query 2"))
		require.NoError(t, err)
		require.Len(t, some, 2)
		require.Equal(t, int64(2), some[0].Scores[0].Positives)
	})
}

func TestVisitorsVoteWhereTheyMay(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		closed, open := newRoom(t, s, feedback.Config{}), newRoom(t, s, feedback.Config{Anonymous: true, AnonymousRate: 5, FeedbackRate: 4})
		open.sticker("cat.png")
		in := feedback.ReportInput{Items: []*feedback.Item{item("cat", []string{"cat.png"}, nil)}}
		_, err := closed.Report(visitor(t, "a"), in)
		refused(t, err, apperr.Unauthenticated)
		_, err = open.Report(auth.Refused(visitor(t, "a"), apperr.New(apperr.Unauthenticated, "It has expired.")), in)
		require.ErrorContains(t, err, "It has expired.")
		_, err = open.Report(auth.With(visitor(t, "a"), auth.Viewer{ID: ann, Role: auth.RoleService, Key: "k"}), in)
		refused(t, err, apperr.Forbidden)
		_, err = open.Report(t.Context(), in)
		refused(t, err, apperr.Unauthenticated)
		for _, who := range []string{"a", "b", "a"} {
			open.vote(visitor(t, who), "cat", []string{"cat.png"}, nil)
		}
		require.Equal(t, []string{"cat/cat.png +2 -0"}, open.standing())
		open.vote(visitor(t, "c"), "cat", []string{"cat.png"}, nil)
		open.vote(visitor(t, "d"), "cat", []string{"cat.png"}, nil)
		_, err = open.Report(visitor(t, "e"), in)
		refused(t, err, apperr.RateLimited)
		require.Positive(t, apperr.List(err)[0].RetryAfter)
		_, err = open.Revoke(visitor(t, "e"), feedback.RevokeInput{Items: []*feedback.RevokeItem{{Query: "cat"}}})
		refused(t, err, apperr.RateLimited)
		for range 4 {
			open.vote(person(t, ann), "cat", []string{"cat.png"}, nil)
		}
		_, err = open.Report(person(t, ann), in)
		refused(t, err, apperr.RateLimited)
		open.vote(person(t, bob), "cat", []string{"cat.png"}, nil)

		id, cookie, err := open.NewVisitor()
		require.NoError(t, err)
		got, ok := closed.Visitor(cookie)
		require.True(t, ok, "the same key")
		require.Equal(t, id, got)
		for _, forged := range []string{"", id, "x" + cookie, cookie + "x", id + ".", strings.Replace(cookie, ".", "..", 1)} {
			_, ok := open.Visitor(forged)
			require.False(t, ok, forged)
		}
	})
}

func TestSearchesAreLimitedByUserAndAddress(t *testing.T) {
	t.Parallel()
	r := newRoom(t, dbtest.Open(t, dbtest.SQLite(t)), feedback.Config{SearchRate: 2, Anonymous: true, AnonymousRate: 1})
	from := func(ctx context.Context, address string) context.Context {
		return auth.WithVisitor(ctx, auth.Visitor{Address: address})
	}
	for i := range 10 {
		ctx := from(person(t, "user_"+string(rune('a'+i))), "192.0.2.7")
		require.NoError(t, r.AllowSearch(ctx))
		require.NoError(t, r.AllowSearch(ctx))
		refused(t, r.AllowSearch(ctx), apperr.RateLimited)
	}
	refused(t, r.AllowSearch(from(person(t, "user_z"), "192.0.2.7")), apperr.RateLimited)
	require.NoError(t, r.AllowSearch(from(person(t, "user_z"), "192.0.2.8")))
	require.NoError(t, r.AllowSearch(from(t.Context(), "192.0.2.7")))
	refused(t, r.AllowSearch(from(t.Context(), "192.0.2.7")), apperr.RateLimited)
	free := newRoom(t, r.store, feedback.Config{})
	for range 100 {
		require.NoError(t, free.AllowSearch(from(person(t, ann), "192.0.2.7")))
	}
}

func TestAChosenStickerCountsOnceAnHourForEachPersonAndQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		choose := func(ctx context.Context, query string, place *int) bool {
			counted, err := r.Chosen(ctx, feedback.ChosenInput{Query: query, StickerID: cat, Position: place})
			require.NoError(t, err)
			return counted
		}
		require.True(t, choose(person(t, ann), "cat", ptr(3)))
		require.False(t, choose(person(t, ann), " Cat", nil))
		require.True(t, choose(person(t, ann), "dog", nil))
		require.True(t, choose(person(t, bob), "cat", nil))
		r.flush()
		for _, q := range []struct {
			text   string
			chosen int64
		}{{"cat", 2}, {"dog", 1}} {
			got, err := r.Query(analyst(t), feedback.QueryID(q.text))
			require.NoError(t, err)
			require.Equal(t, q.chosen, got.Chosen)
			require.Zero(t, got.Usage)
		}
		for _, bad := range []feedback.ChosenInput{{Query: "", StickerID: cat}, {Query: "a", StickerID: "x"}, {Query: "a", StickerID: cat, Position: ptr(0)}} {
			_, err := r.Chosen(person(t, ann), bad)
			refused(t, err, apperr.BadInput)
		}
		_, err := r.Chosen(person(t, ann), feedback.ChosenInput{Query: "a", StickerID: store.NewID("stk")})
		refused(t, err, apperr.NotFound)
	})
}

func TestInputBeyondTheLimitsIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		many := make([]*feedback.Item, 101)
		for i := range many {
			many[i] = item("a", nil, nil)
		}
		for _, items := range [][]*feedback.Item{nil, many} {
			_, err := r.Report(person(t, ann), feedback.ReportInput{Items: items})
			refused(t, err, apperr.BadInput, "input", "items")
		}
		_, err := r.Revoke(person(t, ann), feedback.RevokeInput{})
		refused(t, err, apperr.BadInput, "input", "items")
		_, err = r.Report(person(t, ann), feedback.ReportInput{Items: many[:1], IdempotencyKey: ptr("")})
		refused(t, err, apperr.BadInput, "input", "idempotencyKey")
		results := r.report(person(t, ann), item("a", make([]string, 30), make([]string, 21)), item("a", []string{""}, nil),
			item("a", nil, []string{"a\x00"}), item("a\xff", nil, nil), item("a", []string{strings.Repeat("x", 2000)}, nil))
		for i, one := range results {
			refused(t, one.Err, apperr.BadInput)
			require.Equal(t, []string{"input", "items", string(rune('0' + i))}, apperr.List(one.Err)[0].Path[:3])
		}
		// The largest call that there can be.
		ids := r.stickers(50)
		for i := range many[:100] {
			many[i] = item("query "+string(rune('a'+i%26))+string(rune('a'+i/26)), ids, nil)
		}
		for _, one := range r.report(person(t, ann), many[:100]...) {
			require.Equal(t, feedback.ItemResult{Saved: 50}, one)
		}
		r.consistent()
	})
}
