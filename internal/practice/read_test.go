package practice_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/practice"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// spread records n kinds with few different frequencies, so that most are equal
// to others, and gives them in the order of the exercise.
func (w *world) spread(ctx context.Context, externalID string, n int) (want []string) {
	u := w.utterance(ctx, externalID)
	type kind struct {
		category, subcategory string
		n                     int
	}
	var kinds []kind
	texts := []string{"a", "ab", "a:b", "B", "é", "z", "\U0001f600", "ﬀ", "a b", "\x01"}
	index := 0
	for i := range n {
		k := kind{texts[i%len(texts)], fmt.Sprint(texts[i/len(texts)%len(texts)], i), 1 + i%3}
		kinds = append(kinds, k)
		var items []*practice.ErrorInput
		for range k.n {
			items = append(items, item(u, "k", index, k.category, k.subcategory))
			index++
		}
		w.record(ctx, items...)
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.category, b.category), strings.Compare(a.subcategory, b.subcategory))
	})
	for _, k := range kinds {
		want = append(want, fmt.Sprintf("%s/%s %d", k.category, k.subcategory, k.n))
	}
	return want
}

func TestEquallyFrequentKindsComeByCategoryAndSubcategory(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		service := key(t, "owner")
		want := w.spread(service, "learner", 60)
		for range 3 {
			require.Equal(t, want, w.top(service, "learner"))
		}
		for _, since := range []*time.Time{nil, ptr(time.Unix(0, 0))} {
			for _, top := range []int{1, 5, 59, 100} {
				list, err := w.Exercise(service, ptr("learner"), top, since)
				require.NoError(t, err)
				require.Equal(t, want[:min(top, 60)], lines(list))
			}
		}
	})
}

func TestPagesOfFrequenciesAreTheSortedListInBothDirections(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		w.spread(person(t, "user_b"), "", 5)
		want := w.spread(ctx, "", 47)
		list := func(args page.Args) *page.Page[*practice.Frequency] {
			p, err := w.Frequencies(ctx, nil, args)
			require.NoError(t, err)
			return p
		}
		for _, size := range []int{1, 2, 7, 46, 47, 48} {
			var forward, backward []string
			for args := (page.Args{First: &size}); ; {
				p := list(args)
				forward = append(forward, edges(p)...)
				if !p.HasNext {
					break
				}
				args.After = &p.Edges[len(p.Edges)-1].Cursor
			}
			require.Equal(t, want, forward, "by %d", size)
			for args := (page.Args{Last: &size}); ; {
				p := list(args)
				backward = append(edges(p), backward...)
				if !p.HasPrevious {
					break
				}
				args.Before = &p.Edges[0].Cursor
			}
			require.Equal(t, want, backward, "by %d", size)
		}
		n, err := list(page.Args{First: ptr(0)}).Count()
		require.NoError(t, err)
		require.Equal(t, 47, n)
		_, err = w.Frequencies(ctx, nil, page.Args{First: ptr(101)})
		refused(t, err, apperr.BadInput, "first")
		_, err = w.Frequencies(ctx, nil, page.Args{After: ptr("x")})
		refused(t, err, apperr.BadInput, "after")
		conversations, err := w.Conversations(ctx, nil, page.Args{})
		require.NoError(t, err)
		_, err = w.Frequencies(ctx, nil, page.Args{Before: &conversations.Edges[0].Cursor})
		refused(t, err, apperr.BadInput, "before")
	})
}

func edges(p *page.Page[*practice.Frequency]) []string {
	var list []*practice.Frequency
	for _, e := range p.Edges {
		list = append(list, e.Node)
	}
	return lines(list)
}

func TestSinceCountsOnlyWhatWasRecordedFromThenOn(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		u := w.utterance(ctx, "")
		w.record(ctx, item(u, "old", 0, "c", "old"), item(u, "old", 1, "c", "both"), item(u, "old", 2, "c", "both"))
		w.record(person(t, "user_b"), item(w.utterance(person(t, "user_b"), ""), "k", 0, "c", "other"))
		since := store.Now()
		for !store.Now().After(since) { // the clock may be coarse
			continue
		}
		id := w.record(ctx, item(u, "new", 0, "c", "both"), item(u, "old", 2, "c", "both"))[0].ErrorID
		count := func(since time.Time) []string {
			list, err := w.Exercise(ctx, nil, 5, &since)
			require.NoError(t, err)
			return lines(list)
		}
		require.Equal(t, []string{"c/both 1"}, count(since))
		require.Equal(t, []string{"c/both 1"}, count(since.In(time.FixedZone("east", 5*3600))))
		require.Equal(t, []string{"c/both 3", "c/old 1"}, count(time.Unix(0, 0)))
		e, err := w.Error(ctx, id)
		require.NoError(t, err)
		require.Equal(t, []string{"c/both 1"}, count(e.CreatedAt))
		require.Empty(t, count(e.CreatedAt.Add(time.Microsecond)))
		require.Empty(t, count(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))

		all, err := w.Exercise(ctx, nil, 1, nil)
		require.NoError(t, err)
		require.Equal(t, e.CreatedAt.UTC(), all[0].LastAt)
		since1, err := w.Exercise(ctx, nil, 1, &since)
		require.NoError(t, err)
		require.Equal(t, e.CreatedAt.UTC(), since1[0].LastAt)
	})
}

func TestErrorsOfUtterancesComeInTheOrderOfTheirRecording(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		service := key(t, "owner")
		u, v, none := w.utterance(service, "a"), w.utterance(service, "b"), w.utterance(service, "a")
		foreign := w.utterance(key(t, "stranger"), "a")
		w.record(key(t, "stranger"), item(foreign, "k", 0, "c", "s"))
		var want []string
		for call := range 3 {
			var items []*practice.ErrorInput
			for i := range 400 { // keys that sort otherwise
				items = append(items, item(u, fmt.Sprint("k", 9-call), 9999-i, "c", fmt.Sprint(call, i)))
			}
			for _, r := range w.record(service, items...) {
				want = append(want, r.ErrorID)
			}
		}
		w.record(service, item(v, "k", 0, "c", "s"))
		got, err := w.Errors(service, []string{v.ID, u.ID, none.ID, foreign.ID, store.NewID("utt")})
		require.NoError(t, err)
		var ids []string
		for _, e := range got[u.ID] {
			ids = append(ids, e.ID)
		}
		require.Equal(t, want[:1000], ids)
		require.Len(t, got[v.ID], 1)
		require.Len(t, got, 2, "neither empty ones nor those of others")
		got, err = w.Errors(service, nil)
		require.NoError(t, err)
		require.Empty(t, got)
		got, err = w.Errors(admin(t), []string{u.ID, foreign.ID})
		require.NoError(t, err)
		require.Len(t, got, 2)
	})
}

func TestConversationsAreTheNewestFirstAndUtterancesTheOldest(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		service := key(t, "owner")
		var conversations, said []string
		for i := range 5 {
			c := w.start(service, "learner")
			conversations = append([]string{c.ID}, conversations...)
			if i < 4 {
				continue
			}
			var items []*practice.UtteranceInput
			for n := range 7 {
				items = append(items, &practice.UtteranceInput{ConversationID: c.ID, Text: fmt.Sprint(n)})
			}
			results, err := w.AddUtterances(service, items)
			require.NoError(t, err)
			for _, r := range results {
				require.NoError(t, r.Err)
				said = append(said, r.Utterance.ID)
			}
		}
		p, err := w.Conversations(service, ptr("learner"), page.Args{First: ptr(3)})
		require.NoError(t, err)
		require.Equal(t, conversations[:3], nodes(p, func(c *gen.Conversation) string { return c.ID }))
		rest, err := w.Conversations(service, ptr("learner"), page.Args{After: &p.Edges[2].Cursor})
		require.NoError(t, err)
		require.Equal(t, conversations[3:], nodes(rest, func(c *gen.Conversation) string { return c.ID }))
		n, err := rest.Count()
		require.NoError(t, err)
		require.Equal(t, 5, n)

		u, err := w.Utterances(service, p.Edges[0].Node, page.Args{First: ptr(4)})
		require.NoError(t, err)
		require.Equal(t, said[:4], nodes(u, func(u *gen.Utterance) string { return u.ID }))
		u, err = w.Utterances(service, p.Edges[0].Node, page.Args{Last: ptr(3)})
		require.NoError(t, err)
		require.Equal(t, said[4:], nodes(u, func(u *gen.Utterance) string { return u.ID }))
		n, err = u.Count()
		require.NoError(t, err)
		require.Equal(t, 7, n)
		empty, err := w.Conversations(service, ptr("unknown"), page.Args{})
		require.NoError(t, err)
		require.Empty(t, empty.Edges)
	})
}

func nodes[T any](p *page.Page[T], id func(T) string) (ids []string) {
	for _, e := range p.Edges {
		ids = append(ids, id(e.Node))
	}
	return ids
}

func TestNobodyReadsWhatIsAnothers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		type thing struct {
			c *gen.Conversation
			u *gen.Utterance
			e string
		}
		make1 := func(ctx context.Context, externalID string) thing {
			c := w.start(ctx, externalID)
			u := w.say(ctx, c, "x")
			return thing{c, u, w.record(ctx, item(u, "k", 0, "c", "s"))[0].ErrorID}
		}
		// The keys of user_a's account are not user_a, nor is user_a a key.
		things := map[string]thing{
			"user_a": make1(person(t, "user_a"), ""), "key of user_a": make1(key(t, "user_a"), "learner"),
			"user_b": make1(person(t, "user_b"), ""), "key of user_b": make1(key(t, "user_b"), "learner"),
		}
		signedIn := auth.With(t.Context(), auth.Viewer{ID: "user_b", Role: auth.RoleService, Session: "s"})
		for _, viewer := range []struct {
			ctx  context.Context
			sees string
		}{
			{person(t, "user_a"), "user_a"}, {key(t, "user_a"), "key of user_a"}, {key(t, "user_a", auth.ScopePracticeRead), "key of user_a"},
			{person(t, "user_b"), "user_b"}, {key(t, "user_b"), "key of user_b"}, {signedIn, "key of user_b"}, {person(t, "user_c"), ""}, {key(t, "user_c"), ""},
			{admin(t), "all"},
		} {
			for owner, x := range things {
				_, err1 := w.Conversation(viewer.ctx, x.c.ID)
				_, err2 := w.Utterance(viewer.ctx, x.u.ID)
				_, err3 := w.Error(viewer.ctx, x.e)
				shown, err := w.Errors(viewer.ctx, []string{x.u.ID})
				require.NoError(t, err)
				for _, err := range []error{err1, err2, err3} {
					if owner == viewer.sees || viewer.sees == "all" {
						require.NoError(t, err)
						require.Len(t, shown, 1)
						continue
					}
					refused(t, err, apperr.NotFound)
					require.Empty(t, shown)
				}
			}
		}
		require.Equal(t, []string{}, w.top(key(t, "user_c"), "learner"), "the same name of another account")
		_, err := w.Conversation(person(t, "user_a"), "x")
		refused(t, err, apperr.BadInput, "id")
		_, err = w.Error(person(t, "user_a"), things["user_a"].u.ID)
		refused(t, err, apperr.NotFound)
	})
}

func TestReadingNeedsAScopeAndALearnersName(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		c := w.start(key(t, "owner"), "learner")
		reads := map[string]func(ctx context.Context, externalID *string) error{
			"exercise":  func(ctx context.Context, x *string) error { _, err := w.Exercise(ctx, x, 5, nil); return err },
			"since":     func(ctx context.Context, x *string) error { _, err := w.Exercise(ctx, x, 5, &time.Time{}); return err },
			"frequency": func(ctx context.Context, x *string) error { _, err := w.Frequencies(ctx, x, page.Args{}); return err },
			"conversations": func(ctx context.Context, x *string) error {
				_, err := w.Conversations(ctx, x, page.Args{})
				return err
			},
		}
		for name, read := range reads {
			require.NoError(t, read(key(t, "owner", auth.ScopePracticeRead), ptr("learner")), name)
			require.NoError(t, read(person(t, "user_a"), nil), name)
			refused(t, read(key(t, "owner", auth.ScopePracticeRecord), ptr("learner")), apperr.Forbidden)
			refused(t, read(key(t, "owner"), nil), apperr.BadInput, "externalId")
			for _, bad := range []string{"", strings.Repeat("x", 129), "\x00", "\xff"} {
				refused(t, read(key(t, "owner"), &bad), apperr.BadInput, "externalId")
			}
			refused(t, read(person(t, "user_a"), ptr("learner")), apperr.Forbidden, "externalId")
			refused(t, read(admin(t), ptr("learner")), apperr.Forbidden, "externalId")
			refused(t, read(t.Context(), nil), apperr.Unauthenticated)
		}
		recorder := key(t, "owner", auth.ScopePracticeRecord)
		for name, read := range map[string]func() error{
			"conversation": func() error { _, err := w.Conversation(recorder, c.ID); return err },
			"utterance":    func() error { _, err := w.Utterance(recorder, store.NewID("utt")); return err },
			"error":        func() error { _, err := w.Error(recorder, store.NewID("lerr")); return err },
			"utterances":   func() error { _, err := w.Utterances(recorder, c, page.Args{}); return err },
			"errors":       func() error { _, err := w.Errors(recorder, nil); return err },
		} {
			require.True(t, apperr.Is(read(), apperr.Forbidden), name)
		}
	})
}

func TestFrequenciesBeyond32BitsAreCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		u := w.utterance(ctx, "")
		w.record(ctx, item(u, "k", 0, "c", "s"))
		_, err := w.store.Exec(t.Context(), "UPDATE error_frequencies SET frequency = ?", int64(math.MaxInt32)*4)
		require.NoError(t, err)
		w.record(ctx, item(u, "k", 1, "c", "s"))
		require.Equal(t, []string{fmt.Sprintf("c/s %d", int64(math.MaxInt32)*4+1)}, w.top(ctx, ""))
	})
}

func TestWaitingCountsTheExercisesThatWaitForTheirStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.Postgres(t))) // SQLite reads each by itself
	ctx := person(t, "user_a")
	var all sync.WaitGroup
	require.NoError(t, w.store.Tx(t.Context(), func(locked context.Context) error {
		if _, err := w.store.Exec(locked, "LOCK TABLE error_frequencies"); err != nil {
			return err
		}
		for range 201 { // two statements of 100 are under way at most
			all.Go(func() {
				_, err := w.Exercise(ctx, nil, 5, nil)
				assert.NoError(t, err)
			})
		}
		// Reads that wait have nothing to say: only their number shows them.
		assert.Eventually(t, func() bool { return w.Waiting() > 0 }, 10*time.Second, time.Millisecond)
		return nil
	}))
	all.Wait()
	require.Zero(t, w.Waiting())
}
