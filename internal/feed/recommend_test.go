package feed_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/feed"
	"parley/internal/page"
	"parley/internal/store"
)

func (s someone) likes(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		_, err := s.Like(s.ctx(), id)
		require.NoError(s.t, err)
	}
}

func (s someone) recommended(first int, after *string) *page.Page[*feed.Recommended] {
	s.t.Helper()
	p, err := s.Recommend(s.ctx(), &first, after)
	require.NoError(s.t, err)
	return p
}

func recommendations(p *page.Page[*feed.Recommended]) string {
	var all []string
	for _, e := range p.Edges {
		all = append(all, e.Node.Post.Title)
	}
	return strings.Join(all, " ")
}

func TestRecommendationsSayWhyAndTheirReasonsAddUp(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(6)
		me, friend, other, stranger, liked, blocked := all[0], all[1], all[2], all[3], all[4], all[5]
		me.follows(friend, other)
		friend.follows(stranger)
		me.post("own")
		friend.post("followed")
		nobody := liked.post("liked")
		friend.likes(nobody.ID)
		other.likes(nobody.ID)
		stranger.post("known")
		mine := liked.post("liked_by_me")
		me.likes(mine.ID)
		blocked.post("blocked")
		me.blocks(blocked)
		r.At(store.Now().Add(-15 * 24 * time.Hour))
		stranger.post("old")
		p := me.recommended(10, nil)
		require.Equal(t, "liked known", recommendations(p), "what is new to the viewer, of people who are")
		for _, e := range p.Edges {
			sum := 0
			for _, reason := range e.Node.Reasons {
				sum += reason.Weight * reason.Value
			}
			require.Equal(t, e.Node.Score, sum)
		}
		first := p.Edges[0].Node.Reasons
		require.Equal(t, []any{feed.LikedByFollowed, 2, feed.Likes, 2}, []any{first[0].Kind, first[0].Value, first[1].Kind, first[1].Value})
		require.ElementsMatch(t, []string{"user_1", "user_2"}, []string{*first[0].Profiles[0].Handle, *first[0].Profiles[1].Handle})
		require.Equal(t, feed.AuthorFollowedByFollowed, p.Edges[1].Node.Reasons[0].Kind)
		require.Equal(t, friend.id, p.Edges[1].Node.Reasons[0].Profiles[0].ID)
	})
}

func TestRecommendationsStayRankedAsOfTheFirstPage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(3)
		me, friend, author := all[0], all[1], all[2]
		me.follows(friend)
		var ids []string
		for i := range 10 {
			ids = append(ids, author.post(fmt.Sprint(i)).ID)
		}
		whole := recommendations(me.recommended(10, nil))
		first := me.recommended(4, nil)
		require.True(t, first.HasNext)
		author.post("later")
		friend.likes(ids[0], ids[9]) // would be first now
		rest := me.recommended(10, &first.Edges[3].Cursor)
		require.Equal(t, whole, recommendations(first)+" "+recommendations(rest))
		require.True(t, strings.HasPrefix(recommendations(me.recommended(2, nil)), "9 0"))
		for _, bad := range []string{"", "x", "cmMxLjEuMS4x", ids[0]} {
			_, err := r.Recommend(me.ctx(), nil, &bad)
			refused(t, err, apperr.BadInput, "after")
		}
		_, err := r.Recommend(me.ctx(), ptr(101), nil)
		refused(t, err, apperr.BadInput, "first")
		_, err = r.Recommend(t.Context(), nil, nil)
		refused(t, err, apperr.Unauthenticated)
	})
}

func TestWhomOneFollowsAndBlocksIsListed(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := r.some(5)
		me := all[0]
		me.follows(all[1:4]...)
		all[4].follows(me)
		me.blocks(all[1])
		handles := func(p *page.Page[*feed.Profile], err error) string {
			require.NoError(t, err)
			n, err := p.Count()
			require.NoError(t, err)
			var all []string
			for _, e := range p.Edges {
				all = append(all, *e.Node.Handle)
			}
			return fmt.Sprint(strings.Join(all, " "), " of ", n)
		}
		require.Equal(t, "user_3 user_2 of 2", handles(r.Following(me.ctx(), page.Args{})))
		require.Equal(t, "user_4 of 1", handles(r.Followers(me.ctx(), page.Args{})))
		require.Equal(t, "user_1 of 1", handles(r.BlockedUsers(me.ctx(), page.Args{})))
		p, err := r.Following(me.ctx(), page.Args{First: ptr(1)})
		require.NoError(t, err)
		require.True(t, p.HasNext)
		require.Equal(t, "user_2 of 2", handles(r.Following(me.ctx(), page.Args{First: ptr(1), After: &p.Edges[0].Cursor})))
		_, err = r.Followers(me.ctx(), page.Args{After: &p.Edges[0].Cursor})
		refused(t, err, apperr.BadInput, "after")
		require.Equal(t, " of 0", handles(r.BlockedUsers(all[1].ctx(), page.Args{})), "who was blocked is not told")
	})
}
