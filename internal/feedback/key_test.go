package feedback_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// key is an API key of ann, used from an address.
func key(t testing.TB, id, address string, scopes ...auth.Scope) context.Context {
	ctx := auth.With(t.Context(), auth.Viewer{ID: ann, Role: auth.RoleService, Key: id, Scopes: auth.ScopesOf(scopes...)})
	return auth.WithVisitor(ctx, auth.Visitor{Address: address})
}

func TestAKeyChoosesForEachAddressAndVotesForNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat, hers := r.sticker("cat.png"), r.sticker("hers.png", ann)
		in := feedback.ChosenInput{Query: "cat", StickerID: cat}
		choose := func(id, address string) bool {
			counted, err := r.Chosen(key(t, id, address, auth.ScopeStickersSearch), in)
			require.NoError(t, err)
			return counted
		}
		require.True(t, choose("key_1", "192.0.2.1"))
		require.False(t, choose("key_1", "192.0.2.1"))
		require.True(t, choose("key_1", "192.0.2.2"), "somebody else with the same page")
		require.True(t, choose("key_2", "192.0.2.1"))
		counted, err := r.Chosen(person(t, ann), in)
		require.NoError(t, err)
		require.True(t, counted, "its owner is not the key")
		r.flush()
		got, err := r.Query(analyst(t), feedback.QueryID("cat"))
		require.NoError(t, err)
		require.EqualValues(t, 4, got.Chosen)

		all := key(t, "key_1", "192.0.2.1", auth.AllScopes()...)
		_, err = r.Chosen(all, feedback.ChosenInput{Query: "cat", StickerID: hers})
		refused(t, err, apperr.NotFound)
		_, err = r.ChosenUnasked(all, hers)
		refused(t, err, apperr.NotFound)
		_, err = r.Report(all, feedback.ReportInput{Items: []*feedback.Item{item("cat", []string{cat}, nil)}})
		refused(t, err, apperr.Forbidden)
		_, err = r.Revoke(all, feedback.RevokeInput{Items: []*feedback.RevokeItem{{Query: "cat", Stickers: []string{cat}}}})
		refused(t, err, apperr.Forbidden)
		other := key(t, "key_3", "192.0.2.1", auth.ScopePracticeRead, auth.ScopeDialogsPush)
		_, err = r.Chosen(other, in)
		refused(t, err, apperr.Forbidden)
		_, err = r.ChosenUnasked(other, cat)
		refused(t, err, apperr.Forbidden)
		_, err = r.ChosenUnasked(t.Context(), cat)
		refused(t, err, apperr.Unauthenticated)
	})
}

func TestAStickerThatWasShownWithoutAQueryCountsWithoutOne(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		for _, want := range []bool{true, false} {
			counted, err := r.ChosenUnasked(person(t, ann), cat)
			require.NoError(t, err)
			require.Equal(t, want, counted)
		}
		r.flush()
		require.Equal(t, 1, r.rows("sticker_hours"))
		require.Zero(t, r.rows("search_queries"))
		hours, err := r.Timeline(analyst(t), time.Now().Add(-time.Hour), nil, feedback.Hour)
		require.NoError(t, err)
		var chosen int64
		for _, hour := range hours {
			chosen += hour.Chosen
		}
		require.EqualValues(t, 1, chosen)
	})
}

func TestAKeyHasLimitsOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRoom(t, dbtest.Open(t, dbtest.SQLite(t)), feedback.Config{SearchRate: 2, FeedbackRate: 1})
	for range 2 {
		require.NoError(t, r.AllowSearch(person(t, ann)))
		require.NoError(t, r.AllowSearch(key(t, "key_1", "192.0.2.1")))
		require.NoError(t, r.AllowSearch(key(t, "key_2", "192.0.2.1")))
	}
	for _, ctx := range []context.Context{person(t, ann), key(t, "key_1", "192.0.2.1"), key(t, "key_2", "192.0.2.1")} {
		err := r.AllowSearch(ctx)
		refused(t, err, apperr.RateLimited)
		require.Positive(t, apperr.List(err)[0].RetryAfter)
	}
	for i := range 18 { // of those who use a key elsewhere, until all together are too many
		require.NoError(t, r.AllowSearch(key(t, "key_1", fmt.Sprint("192.0.3.", i))))
	}
	refused(t, r.AllowSearch(key(t, "key_1", "192.0.3.200")), apperr.RateLimited)
	cat := r.sticker("cat.png")
	_, err := r.ChosenUnasked(key(t, "key_1", "192.0.2.1", auth.ScopeStickersSearch), cat)
	require.NoError(t, err)
	_, err = r.ChosenUnasked(key(t, "key_1", "192.0.2.1", auth.ScopeStickersSearch), cat)
	refused(t, err, apperr.RateLimited)
}

func TestWhatIsChosenAndLikedOfLateIsPopular(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		id := map[string]string{}
		for _, name := range []string{"chosen", "liked", "disliked", "both", "old", "none"} {
			id[name] = r.sticker(name)
		}
		hers := r.sticker("hers", ann)
		popular := func(limit int) []string {
			got, err := r.Popular(t.Context(), time.Now().Add(-7*24*time.Hour), limit)
			require.NoError(t, err)
			return got
		}
		require.Empty(t, popular(10))
		for _, who := range []string{ann, bob, "user_eve"} {
			_, err := r.ChosenUnasked(person(t, who), id["chosen"])
			require.NoError(t, err)
			_, err = r.ChosenUnasked(person(t, who), id["both"])
			require.NoError(t, err)
		}
		r.vote(person(t, ann), "a", []string{id["both"], id["liked"], hers}, []string{id["disliked"]})
		r.vote(person(t, bob), "b", []string{id["liked"]}, nil)
		r.flush()
		_, err := r.store.Exec(t.Context(), "INSERT INTO sticker_hours (id, sticker_id, hour, chosen, places) VALUES (?, ?, ?, 100, 100)",
			"sh_old", id["old"], time.Now().Add(-8*24*time.Hour).Unix()/3600)
		require.NoError(t, err)
		require.Equal(t, []string{id["both"], id["chosen"], id["liked"]}, popular(10))
		require.Equal(t, []string{id["both"]}, popular(1))
		old, err := r.Popular(t.Context(), time.Now().Add(-9*24*time.Hour), 1)
		require.NoError(t, err)
		require.Equal(t, []string{id["old"]}, old)
	})
}

// A sticker that was deleted leaves with what it was chosen for.
func TestAForgottenStickerIsNotPopular(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		_, err := r.ChosenUnasked(person(t, ann), cat)
		require.NoError(t, err)
		r.vote(person(t, ann), "cat", []string{cat}, nil)
		r.flush()
		ctx := auth.System(t.Context(), "test")
		require.NoError(t, r.store.Tx(ctx, func(ctx context.Context) error { return r.Forget(ctx, cat) }))
		got, err := r.Popular(t.Context(), store.Now().Add(-time.Hour), 10)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}
