package practice_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/batch"
	"parley/internal/page"
	"parley/internal/practice"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// The rules E1 to E8 are the faults of a system that counted in a cache and
// wrote the counts to its database later.

func TestE1ConcurrentRecordingsAreCountedExactly(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		const callers, calls = 8, 75
		utterances := make([]*practice.ErrorInput, 5)
		for i := range utterances {
			utterances[i] = item(w.utterance(key(t, "owner"), fmt.Sprint("learner ", i)), "", 0, "grammar", "tense")
		}
		for caller := range callers {
			all.Go(func() {
				for call := range calls {
					var items []*practice.ErrorInput
					for index := range 3 {
						in := *utterances[call%5]
						in.ClientKey, in.Index = fmt.Sprintf("%d-%d", caller, call), index
						items = append(items, &in)
					}
					w.record(key(t, "owner"), items...)
				}
			})
		}
		all.Wait()
		for i := range utterances {
			require.Equal(t, []string{"grammar/tense 360"}, w.top(key(t, "owner"), fmt.Sprint("learner ", i)))
		}
	})
}

// A category with a colon made every later recording of every user fail, and so
// did one unknown user.
func TestE2NoTextAndNoUnknownIDHarmsAnyOtherRecording(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		u, v := w.utterance(key(t, "owner"), "a"), w.utterance(key(t, "owner"), "b")
		odd := []string{
			":", "a:b:c", "::", `'; DROP TABLE error_frequencies; --`, `"`, `\`, `\0`, "%s", "{}", "?", "$1", "👩‍🏫🏳️‍🌈", "\u202e", "é", "e\u0301",
			"\n", " ", "NULL", strings.Repeat("x", 200), strings.Repeat("é", 100), "\u007f", "\x01", "\ufeff", "�",
		}
		var items []*practice.ErrorInput
		for i, text := range odd {
			items = append(items, item(u, "k", 2*i, text, "s"), item(u, "k", 2*i+1, "c", text))
		}
		bad := []*practice.ErrorInput{
			item(u, "k", 1000, "a\x00b", "s"), item(u, "k", 1001, "c", "\xff"), item(u, "k", 1002, strings.Repeat("x", 201), "s"),
			item(u, "k", 1003, strings.Repeat("é", 101), "s"), item(u, "k", 1004, "", "s"), item(u, "k", 1005, "c", ""),
			{UtteranceID: store.NewID("utt"), ClientKey: "k", Category: "c", Subcategory: "s"},
		}
		results, err := w.RecordErrors(key(t, "owner"), append(append([]*practice.ErrorInput{}, items...), bad...))
		require.NoError(t, err)
		for i, r := range results {
			if i < len(items) {
				require.Equal(t, practice.Recorded, r.Status, "%q: %v", items[i], r.Err)
				continue
			}
			require.Equal(t, practice.Refused, r.Status)
			require.NotEqual(t, apperr.Internal, apperr.CodeOf(r.Err))
		}
		w.record(key(t, "owner"), item(v, "k", 0, "c", "s"))
		require.Equal(t, []string{"c/s 1"}, w.top(key(t, "owner"), "b"))

		list, err := w.Exercise(key(t, "owner"), ptr("a"), practice.MaxTop, nil)
		require.NoError(t, err)
		require.Len(t, list, 2*len(odd))
		seen := map[[2]string]bool{}
		for _, f := range list {
			require.Equal(t, int64(1), f.Frequency)
			seen[[2]string{f.Category, f.Subcategory}] = true
		}
		for _, text := range odd {
			require.True(t, seen[[2]string{text, "s"}] && seen[[2]string{"c", text}], "%q", text)
		}
	})
}

// A category and a subcategory never run into each other.
func TestE2KindsThatReadAlikeAreCountedApart(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		u := w.utterance(person(t, "user_a"), "")
		w.record(person(t, "user_a"), item(u, "k", 0, "a:b", "c"), item(u, "k", 1, "a", "b:c"), item(u, "k", 2, "ab", "c"), item(u, "k", 3, "a", "bc"),
			item(u, "k", 4, "a", "b:c"), item(u, "k", 5, "A", "bc"))
		require.Equal(t, []string{"a/b:c 2", "A/bc 1", "a/bc 1", "a:b/c 1", "ab/c 1"}, w.top(person(t, "user_a"), ""))
	})
}

// Counts were to be kept for ten minutes before they were written.
func TestE3CountsNeedNothingButTheDatabaseToStay(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		require.NoError(t, err)
		w := newWorld(t, s)
		w.record(person(t, "user_a"), item(w.utterance(person(t, "user_a"), ""), "k", 0, "c", "s"))
		require.NoError(t, s.Close())
		require.Equal(t, []string{"c/s 1"}, newWorld(t, dbtest.Open(t, url)).top(person(t, "user_a"), ""))
	})
}

// Every recording wrote what all users had queued.
func TestE4RecordingTouchesOnlyItsOwnRows(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		var flushes []batch.Flush
		w := watchedWorld(t, s, func(f batch.Flush) { flushes = append(flushes, f) })
		others := w.utterance(key(t, "owner"), "others")
		for i := range 3 {
			w.record(key(t, "owner"), item(others, "k", i, "c", "s"))
		}
		before, err := w.Exercise(key(t, "owner"), ptr("others"), 5, nil)
		require.NoError(t, err)
		u := w.utterance(key(t, "owner"), "own")
		flushes = nil
		w.record(key(t, "owner"), item(u, "k", 0, "c", "s"), item(u, "k", 1, "c", "s"))
		require.Len(t, flushes, 1)
		require.Equal(t, 2, flushes[0].Items)
		after, err := w.Exercise(key(t, "owner"), ptr("others"), 5, nil)
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
}

// The counters in the cache drifted from those in the database.
func TestE5RowsAndCountsAreCommittedTogetherOrNotAtAll(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		u := w.utterance(person(t, "user_a"), "")
		items := []*practice.ErrorInput{item(u, "k", 0, "c", "s"), item(u, "k", 1, "c", "t")}
		_, err := w.store.Exec(t.Context(), "ALTER TABLE error_frequencies RENAME TO away")
		require.NoError(t, err)
		results, err := w.RecordErrors(person(t, "user_a"), items)
		require.NoError(t, err)
		for _, r := range results {
			require.Equal(t, practice.Refused, r.Status)
			require.Error(t, r.Err)
		}
		require.Zero(t, w.count("learner_errors"))
		_, err = w.store.Exec(t.Context(), "ALTER TABLE away RENAME TO error_frequencies")
		require.NoError(t, err)
		for _, r := range w.record(person(t, "user_a"), items...) {
			require.Equal(t, practice.Recorded, r.Status)
		}
		require.Equal(t, 2, w.count("learner_errors"))
		require.Equal(t, []string{"c/s 1", "c/t 1"}, w.top(person(t, "user_a"), ""))
	})
}

func TestE6RetriedRecordingsCountOnceAndTheRawErrorIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		u := w.utterance(person(t, "user_a"), "")
		items := []*practice.ErrorInput{item(u, "k", 0, "c", "s"), item(u, "k", 1, "c", "s")}
		first := w.record(person(t, "user_a"), items...)
		for range 3 {
			again := w.record(person(t, "user_a"), items...)
			for i, r := range again {
				require.Equal(t, practice.Result{Status: practice.Duplicate, ErrorID: first[i].ErrorID}, r)
			}
		}
		require.Equal(t, []string{"c/s 2"}, w.top(person(t, "user_a"), ""), "the same kind twice in one report counts twice")
		rows, err := w.Errors(person(t, "user_a"), []string{u.ID})
		require.NoError(t, err)
		require.Len(t, rows[u.ID], 2)
	})
}

func TestE7SizesAreBoundedAndClientsGetIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		for _, top := range []int{0, -1, 101, math.MaxInt32, math.MinInt32} {
			_, err := w.Exercise(ctx, nil, top, nil)
			refused(t, err, apperr.BadInput, "top")
		}
		c := w.start(ctx, "")
		u := w.say(ctx, c, "I goed")
		r := w.record(ctx, item(u, "k", 0, "c", "s"))[0]
		gotC, err := w.Conversation(ctx, c.ID)
		require.NoError(t, err)
		gotU, err := w.Utterance(ctx, u.ID)
		require.NoError(t, err)
		gotE, err := w.Error(ctx, r.ErrorID)
		require.NoError(t, err)
		require.Equal(t, []string{"user_a", c.ID, u.ID}, []string{gotC.UserID, gotU.ConversationID, gotE.UtteranceID})
		require.Equal(t, u.CreatedAt, gotU.CreatedAt.UTC())

		_, err = w.RecordErrors(ctx, make([]*practice.ErrorInput, 501))
		refused(t, err, apperr.BadInput, "input", "items")
		_, err = w.AddUtterances(ctx, make([]*practice.UtteranceInput, 101))
		refused(t, err, apperr.BadInput, "input", "items")
		_, err = w.AddUtterances(ctx, nil)
		refused(t, err, apperr.BadInput, "input", "items")
		results, err := w.RecordErrors(ctx, nil)
		require.NoError(t, err, "an empty list of errors is valid")
		require.Empty(t, results)
	})
}

func TestE8ExerciseHasWhatWasRecordedBefore(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		w := newWorld(t, dbtest.Open(t, url))
		replica := newWorld(t, dbtest.Open(t, url))
		u := w.utterance(person(t, "user_a"), "")
		began := store.Now()
		for i := range 20 {
			w.record(person(t, "user_a"), item(u, "k", i, "c", "s"))
			want := []string{fmt.Sprintf("c/s %d", i+1)}
			for _, reader := range []*world{w, replica} {
				require.Equal(t, want, reader.top(person(t, "user_a"), ""))
				list, err := reader.Exercise(person(t, "user_a"), nil, 5, &began)
				require.NoError(t, err)
				require.Equal(t, want, lines(list))
				p, err := reader.Frequencies(person(t, "user_a"), nil, page.Args{})
				require.NoError(t, err)
				require.Equal(t, int64(i+1), p.Edges[0].Node.Frequency)
			}
		}
	})
}

func TestNothingRecordedIsAnEmptyExercise(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.utterance(key(t, "owner"), "known")
		for _, since := range []*time.Time{nil, ptr(time.Unix(0, 0)), ptr(time.Now().Add(time.Hour))} {
			for _, externalID := range []string{"known", "unknown"} {
				list, err := w.Exercise(key(t, "owner"), &externalID, 5, since)
				require.NoError(t, err)
				require.NotNil(t, list)
				require.Empty(t, list)
			}
			list, err := w.Exercise(person(t, "user_a"), nil, 5, since)
			require.NoError(t, err)
			require.Empty(t, list)
		}
		p, err := w.Frequencies(key(t, "owner"), ptr("unknown"), page.Args{})
		require.NoError(t, err)
		require.Empty(t, p.Edges)
		n, err := p.Count()
		require.NoError(t, err)
		require.Zero(t, n)
	})
}
