package feedback_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// The rules of the system before: /shared/seeds.md numbers them.

// "Cat" and "cat " were two queries there, and a search wrote before it was answered.
func TestS3QueriesAreCountedInTheirNormalFormAndInBatches(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for _, text := range []string{"Cat", "cat ", " CAT", "ｃａｔ"} {
			r.Counted(feedback.Search{Query: text, Hits: 3})
		}
		r.Counted(feedback.Search{Query: "no  such\tthing"})
		r.Counted(feedback.Search{Query: "away", Degraded: true})
		require.Zero(t, r.rows("search_queries"), "nothing is written while somebody waits")
		r.flush()
		require.Equal(t, []string{"cat 4/0", "away 1/0", "no such thing 1/1"}, sortedTail(r.queries(feedback.QueryFilter{})))
		require.Equal(t, []string{"no such thing 1/1"}, r.queries(feedback.QueryFilter{NoResult: true}))
		r.Counted(feedback.Search{Query: "no such thing", Hits: 1})
		r.flush()
		require.Empty(t, r.queries(feedback.QueryFilter{NoResult: true}), "the latest search counts")
		require.Equal(t, []string{"cat 4/0"}, r.queries(feedback.QueryFilter{Prefix: ptr("CA")}))
		require.Equal(t, 1, r.rows("search_hours"))
	})
}

// sortedTail sorts all lines but the first.
func sortedTail(lines []string) []string {
	if len(lines) == 3 && lines[1] > lines[2] {
		lines[1], lines[2] = lines[2], lines[1]
	}
	return lines
}

func TestS3WhatIsNoQueryIsNotCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for _, text := range []string{"", " \t", strings.Repeat("x", 256), "a\x00b", "a\xff", strings.Repeat("y", 1<<20)} {
			r.Counted(feedback.Search{Query: text, Hits: 1})
		}
		r.Counted(feedback.Search{Query: "grandma's party", Hits: 1, Private: true})
		r.Counted(feedback.Search{Query: strings.Repeat("x", 255), Hits: 1})
		r.flush()
		require.Equal(t, []string{strings.Repeat("x", 255) + " 1/0"}, r.queries(feedback.QueryFilter{}))
		line, err := r.Timeline(analyst(t), time.Now().Add(-time.Hour), nil, feedback.Hour)
		require.NoError(t, err)
		n := int64(0)
		for _, p := range line {
			n += p.Searches
		}
		require.Equal(t, int64(8), n, "they were answered")
	})
}

func TestS3CountsAreBoundedAndWrittenAtTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for i := range 10_500 {
			r.Counted(feedback.Search{Query: fmt.Sprint("query ", i), Hits: 1})
		}
		require.Equal(t, int64(500), r.Dropped())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, r.Run(ctx))
		require.Equal(t, 10_000, r.rows("search_queries"))
	})
}

// A client that retried counted twice there, since a part had been saved.
func TestS4ARetryCountsNothingTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.sticker("cat.png")
		in := feedback.ReportInput{Items: []*feedback.Item{item("cat", []string{"cat.png", "gone.png"}, nil)}, IdempotencyKey: ptr("k")}
		first, err := r.Report(person(t, ann), in)
		require.NoError(t, err)
		require.Equal(t, []feedback.ItemResult{{Saved: 1, Failed: []string{"gone.png"}}}, first.Results)
		r.sticker("gone.png")
		again, err := r.Report(person(t, ann), in)
		require.NoError(t, err)
		require.Equal(t, first.Results, again.Results, "the first one's answer")
		r.vote(person(t, ann), "Cat ", []string{"CAT.png"}, nil)
		require.Equal(t, []string{"cat/cat.png +1 -0"}, r.standing())

		r.vote(person(t, ann), "cat", nil, []string{"cat.png"})
		_, err = r.Report(person(t, ann), in)
		require.NoError(t, err)
		require.Equal(t, []string{"cat/cat.png +0 -1"}, r.standing(), "a late retry does not bring the old vote back")
		in.Items = []*feedback.Item{item("dog", []string{"cat.png"}, nil)}
		_, err = r.Report(person(t, ann), in)
		refused(t, err, apperr.IdempotencyMismatch)
		_, err = r.Report(person(t, bob), in)
		require.NoError(t, err, "another's key")
		r.consistent()
	})
}

func TestS4UnknownStickersAreListedAndTheOthersSaved(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat, dog := r.sticker("cat.png"), r.sticker("dog.png")
		gone := store.NewID("stk")
		results := r.report(person(t, ann),
			item("cat", []string{cat, "nothing.png", gone}, []string{"dog.png", "nothing.png"}),
			item("", []string{cat}, nil), item(strings.Repeat("x", 256), []string{cat}, nil),
			item("never searched for", []string{dog}, nil), item("empty", nil, nil))
		require.Equal(t, feedback.ItemResult{Saved: 2, Failed: []string{"nothing.png", gone}}, results[0])
		refused(t, results[1].Err, apperr.BadInput, "input", "items", "1", "query")
		require.ErrorContains(t, results[2].Err, "at most 255 characters, this one has 256")
		require.Equal(t, feedback.ItemResult{Saved: 1}, results[3])
		require.Equal(t, feedback.ItemResult{}, results[4])
		require.ElementsMatch(t, []string{"cat/cat.png +1 -0", "cat/dog.png +0 -1", "never searched for/dog.png +1 -0"}, r.standing())
		r.consistent()
	})
}

func TestS4AllOrNothingOnRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.sticker("cat.png")
		in := feedback.ReportInput{Atomic: true, Items: []*feedback.Item{item("cat", []string{"cat.png"}, nil), item("dog", []string{"dog.png", "cat.png"}, nil)}}
		done, err := r.Report(person(t, ann), in)
		require.NoError(t, err)
		refused(t, done.Results[0].Err, apperr.Conflict)
		refused(t, done.Results[1].Err, apperr.NotFound)
		require.Equal(t, []string{"dog.png"}, done.Results[1].Failed)
		require.Zero(t, r.rows("votes")+r.rows("query_scores")+r.rows("search_queries"))
		r.sticker("dog.png")
		done, err = r.Report(person(t, ann), in)
		require.NoError(t, err)
		require.Equal(t, []feedback.ItemResult{{Saved: 1}, {Saved: 2}}, done.Results)
		require.Equal(t, 3, r.rows("votes"))
	})
}

func TestS5ContradictionsAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		results := r.report(person(t, ann),
			item("cat", []string{cat}, []string{"CAT.PNG"}),
			item("dog", []string{cat, "cat.png", cat}, nil),
			item("Dog ", nil, []string{cat}))
		refused(t, results[0].Err, apperr.BadInput, "input", "items", "0", "negative")
		require.Equal(t, feedback.ItemResult{Saved: 1}, results[1], "the same side twice is one vote")
		refused(t, results[2].Err, apperr.BadInput, "input", "items", "2", "negative")
		require.Equal(t, []string{"dog/cat.png +1 -0"}, r.standing())
	})
}

func TestS5OneVoteThatCanBeChangedAndTakenBack(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		for range 3 {
			r.vote(person(t, ann), "cat", []string{cat}, nil)
			r.vote(person(t, bob), "cat", []string{cat}, nil)
		}
		require.Equal(t, []string{"cat/cat.png +2 -0"}, r.standing())
		r.vote(person(t, ann), "cat", nil, []string{cat})
		require.Equal(t, []string{"cat/cat.png +1 -1"}, r.standing())
		require.Equal(t, 2, r.rows("votes"))
		r.consistent()
		revoke := func(ctx context.Context, stickers ...string) feedback.ItemResult {
			done, err := r.Revoke(ctx, feedback.RevokeInput{Items: []*feedback.RevokeItem{{Query: "CAT", Stickers: stickers}}})
			require.NoError(t, err)
			return done.Results[0]
		}
		require.Equal(t, feedback.ItemResult{Saved: 1, Failed: []string{"x"}}, revoke(person(t, ann), "cat.png", cat, "x"))
		require.Equal(t, feedback.ItemResult{}, revoke(person(t, ann), cat), "there is none any more")
		require.Equal(t, []string{"cat/cat.png +1 -0"}, r.standing())
		r.consistent()
		revoke(person(t, bob), cat)
		require.Zero(t, r.rows("votes")+r.rows("query_scores")+r.rows("search_queries"), "nobody searched for it either")
	})
}

// Two rows of one name made every report on it fail there.
func TestS6ANameMeansOnesOwnPrivateStickerFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		public, own := r.sticker("cat.png"), r.sticker("cat.png", ann)
		r.vote(person(t, ann), "cat", []string{"cat.png"}, nil)
		r.vote(person(t, bob), "cat", nil, []string{"cat.png"})
		scores, err := r.Scores(t.Context(), "Cat")
		require.NoError(t, err)
		byID := map[string]feedback.Score{}
		for _, s := range scores["cat"] {
			byID[s.StickerID] = s
		}
		require.Equal(t, int64(1), byID[own].Positives)
		require.Equal(t, ann, byID[own].Owner)
		require.Equal(t, int64(1), byID[public].Negatives)
		require.Empty(t, byID[public].Owner)
		require.Equal(t, []string{"cat/cat.png +0 -1"}, r.standing(), "a private sticker is nobody else's business")
	})
}

func TestAnothersPrivateStickersAreAsIfTheyWereNot(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		own := r.sticker("secret.png", ann)
		results := r.report(person(t, bob), item("secret", []string{"secret.png", own, store.NewID("stk")}, nil))
		require.Zero(t, results[0].Saved)
		require.Len(t, results[0].Failed, 3)
		require.NoError(t, results[0].Err)
		_, err := r.Chosen(person(t, bob), feedback.ChosenInput{Query: "secret", StickerID: own})
		refused(t, err, apperr.NotFound)
		r.vote(person(t, ann), "my secret party", []string{own}, nil)
		counted, err := r.Chosen(person(t, ann), feedback.ChosenInput{Query: "my secret party", StickerID: own})
		require.NoError(t, err)
		require.False(t, counted)
		r.flush()
		require.Empty(t, r.standing())
		require.Empty(t, r.queries(feedback.QueryFilter{}), "its words are not shown to analysts either")
		for _, e := range r.events() {
			require.Equal(t, "ScoresChanged s:scores", e.Type+" "+e.Audience)
			require.True(t, feedback.OfScores(e))
		}
		q, err := r.Query(analyst(t), feedback.QueryID("my secret party"))
		require.NoError(t, err)
		require.Nil(t, q)
		p, err := r.List(analyst(t), feedback.Filter{StickerID: &own}, page.Args{})
		require.NoError(t, err)
		require.Empty(t, p.Edges)
		var out strings.Builder
		n, err := r.Export(analyst(t), &out, feedback.JSONL, nil, nil)
		require.NoError(t, err)
		require.Zero(t, n)
		r.consistent()
	})
}

// events gives the events of the log.
func (r *room) events() []event.Event {
	r.t.Helper()
	for {
		n, err := r.log.Position(r.t.Context(), 1000)
		require.NoError(r.t, err)
		if n == 0 {
			break
		}
	}
	all, err := r.log.Read(r.t.Context(), event.Filter{Limit: 1000})
	require.NoError(r.t, err)
	return all
}

// Two processes vote on, change, take back and delete the same things at once.
func TestProcessesThatVoteOnTheSameDoNotLockEachOtherOut(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		rooms := []*room{newRoom(t, dbtest.Open(t, url), feedback.Config{}), newRoom(t, dbtest.Open(t, url), feedback.Config{})}
		var ids []string
		for i := range 8 {
			ids = append(ids, rooms[0].sticker(fmt.Sprintf("%d.png", i)))
		}
		var all sync.WaitGroup
		errs := make(chan error, 1000)
		for caller := range 8 {
			r, who := rooms[caller%2], person(t, fmt.Sprint("user_", caller%4))
			all.Go(func() {
				for n := range 12 {
					mine := append(append([]string{}, ids[(n+caller)%8:]...), ids[:(n+caller)%8]...)
					_, err := r.Report(who, feedback.ReportInput{Items: []*feedback.Item{item("b", mine[:4], mine[4:]), item("a", mine[2:], nil)}})
					errs <- err
					_, err = r.Revoke(who, feedback.RevokeInput{Items: []*feedback.RevokeItem{{Query: "a", Stickers: mine[:3]}}})
					errs <- err
					r.Counted(feedback.Search{Query: "a", Hits: 1})
					r.Counted(feedback.Search{Query: "b", Hits: 1})
					errs <- r.Flush(t.Context())
				}
			})
		}
		all.Go(func() {
			for _, id := range ids[6:] {
				errs <- rooms[0].drop(t, id)
			}
		})
		all.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		rooms[0].consistent()
		if rooms[0].store.Postgres() { // a transaction that was rolled back for a lock would have been repeated
			require.NoError(t, rooms[0].store.Query(t.Context(), func(rows *sql.Rows) error {
				deadlocks := -1
				err := rows.Scan(&deadlocks)
				require.Zero(t, deadlocks)
				return err
			}, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
		}
		require.ElementsMatch(t, []string{"a 96/0", "b 96/0"}, rooms[0].queries(feedback.QueryFilter{}))
	})
}

// drop deletes a sticker as its domain does.
func (r *room) drop(t testing.TB, id string) error {
	return r.store.Tx(t.Context(), func(ctx context.Context) error {
		n, err := r.store.Exec(ctx, "DELETE FROM stickers WHERE id = ?", id)
		if err == nil && n != 1 {
			err = errors.New("there was no such sticker")
		}
		if err != nil {
			return err
		}
		return r.Forget(ctx, id)
	})
}
