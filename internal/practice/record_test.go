package practice_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/practice"
	"parley/internal/store"
)

// Each bad item stands between good ones of the same call, which are kept.
func TestBadItemsAreRefusedOneByOneAndTheGoodOnesKept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		service := key(t, "owner")
		c := w.start(service, "learner")
		u := w.say(service, c, "añ👩‍🏫") // five code points
		other := w.utterance(service, "another")
		foreign, account := w.utterance(key(t, "stranger"), "learner"), w.utterance(person(t, "user_a"), "")
		recorded := w.record(service, item(u, "first", 0, "c", "s"))[0].ErrorID

		good := func() *practice.ErrorInput { return item(u, "good", 0, "c", "s") }
		edit := func(change func(*practice.ErrorInput)) *practice.ErrorInput {
			in := good()
			in.ClientKey = "bad"
			change(in)
			return in
		}
		utterance := func(id string) func(*practice.ErrorInput) {
			return func(in *practice.ErrorInput) { in.UtteranceID = id }
		}
		offsets := func(start, end *int) func(*practice.ErrorInput) {
			return func(in *practice.ErrorInput) { in.StartOffset, in.EndOffset = start, end }
		}
		tests := []struct {
			change func(*practice.ErrorInput)
			code   apperr.Code
			field  string
		}{
			{utterance(""), apperr.BadInput, "utteranceId"},
			{utterance("utt_1"), apperr.BadInput, "utteranceId"},
			{utterance("utt_\x00"), apperr.BadInput, "utteranceId"},
			{utterance(strings.Repeat("x", 1<<20)), apperr.BadInput, "utteranceId"},
			{utterance(u.ID[:29] + "*"), apperr.BadInput, "utteranceId"},
			{utterance(store.NewID("utt")), apperr.NotFound, "utteranceId"},
			{utterance(c.ID), apperr.NotFound, "utteranceId"},
			{utterance(recorded), apperr.NotFound, "utteranceId"},
			{utterance(foreign.ID), apperr.NotFound, "utteranceId"},
			{utterance(account.ID), apperr.NotFound, "utteranceId"},
			{func(in *practice.ErrorInput) { in.ConversationID = &u.ID }, apperr.NotFound, "conversationId"},
			{func(in *practice.ErrorInput) { in.ConversationID = ptr("") }, apperr.BadInput, "conversationId"},
			{func(in *practice.ErrorInput) { in.ConversationID = ptr(store.NewID("conv")) }, apperr.NotFound, "conversationId"},
			{func(in *practice.ErrorInput) { in.ConversationID = &other.ConversationID }, apperr.NotFound, "conversationId"},
			{func(in *practice.ErrorInput) { in.ConversationID = &foreign.ConversationID }, apperr.NotFound, "conversationId"},
			{func(in *practice.ErrorInput) { in.ExternalID = ptr("another") }, apperr.NotFound, "externalId"},
			{func(in *practice.ErrorInput) { in.ExternalID = ptr("unknown") }, apperr.NotFound, "externalId"},
			{func(in *practice.ErrorInput) { in.ExternalID = ptr("") }, apperr.BadInput, "externalId"},
			{func(in *practice.ErrorInput) { in.ExternalID = ptr(strings.Repeat("x", 129)) }, apperr.BadInput, "externalId"},
			{func(in *practice.ErrorInput) { in.ClientKey = "" }, apperr.BadInput, "clientKey"},
			{func(in *practice.ErrorInput) { in.ClientKey = strings.Repeat("x", 129) }, apperr.BadInput, "clientKey"},
			{func(in *practice.ErrorInput) { in.ClientKey = "a\x00" }, apperr.BadInput, "clientKey"},
			{func(in *practice.ErrorInput) { in.ClientKey = "a\xff" }, apperr.BadInput, "clientKey"},
			{func(in *practice.ErrorInput) { in.Index = -1 }, apperr.BadInput, "index"},
			{func(in *practice.ErrorInput) { in.Index = 10_000 }, apperr.BadInput, "index"},
			{func(in *practice.ErrorInput) { in.Index = math.MinInt64 }, apperr.BadInput, "index"},
			{func(in *practice.ErrorInput) { in.Category = "\xc3" }, apperr.BadInput, "category"},
			{func(in *practice.ErrorInput) { in.Subcategory = strings.Repeat("x", 201) }, apperr.BadInput, "subcategory"},
			{offsets(ptr(0), nil), apperr.BadInput, "endOffset"},
			{offsets(nil, ptr(0)), apperr.BadInput, "startOffset"},
			{offsets(ptr(-1), ptr(0)), apperr.BadInput, "startOffset"},
			{offsets(ptr(2), ptr(1)), apperr.BadInput, "endOffset"},
			{offsets(ptr(0), ptr(6)), apperr.BadInput, "endOffset"},
			{offsets(ptr(6), ptr(6)), apperr.BadInput, "endOffset"},
			{offsets(ptr(0), ptr(math.MaxInt64)), apperr.BadInput, "endOffset"},
			{func(in *practice.ErrorInput) { in.ClientKey, in.Category = "first", "other" }, apperr.Conflict, "clientKey"},
		}
		var items []*practice.ErrorInput
		for i, test := range tests {
			g := good()
			g.Index = i
			items = append(items, edit(test.change), g)
		}
		results, err := w.RecordErrors(service, items)
		require.NoError(t, err)
		for i, r := range results {
			if i%2 == 1 {
				require.Equal(t, practice.Recorded, r.Status, "%d: %v", i, r.Err)
				continue
			}
			require.Equal(t, practice.Refused, r.Status, "%d", i)
			require.Empty(t, r.ErrorID)
			refused(t, r.Err, tests[i/2].code, "input", "items", strconv.Itoa(i), tests[i/2].field)
		}
		require.Equal(t, []string{fmt.Sprintf("c/s %d", len(tests)+1)}, w.top(service, "learner"))
		require.Equal(t, len(tests)+1, w.count("learner_errors"))
	})
}

func TestOffsetsCountCodePointsAndMayTouchTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		u, empty := w.say(ctx, w.start(ctx, ""), "añ👩‍🏫"), w.say(ctx, w.start(ctx, ""), "")
		items := []*practice.ErrorInput{
			item(u, "k", 0, "c", "s"), item(u, "k", 1, "c", "s"), item(u, "k", 2, "c", "s"), item(empty, "k", 0, "c", "s"), item(u, "k", 9999, "c", "s"),
		}
		items[0].StartOffset, items[0].EndOffset = ptr(0), ptr(5)
		items[1].StartOffset, items[1].EndOffset = ptr(5), ptr(5)
		items[2].StartOffset, items[2].EndOffset = ptr(2), ptr(3)
		items[3].StartOffset, items[3].EndOffset = ptr(0), ptr(0)
		results := w.record(ctx, items...)
		e, err := w.Error(ctx, results[2].ErrorID)
		require.NoError(t, err)
		require.Equal(t, []int{2, 3}, []int{*e.StartOffset, *e.EndOffset})
		e, err = w.Error(ctx, results[4].ErrorID)
		require.NoError(t, err)
		require.Nil(t, e.StartOffset)
		require.Nil(t, e.EndOffset)
		require.Equal(t, 9999, e.Ordinal)
		require.Equal(t, "LEARNER_APP", string(e.Source))
	})
}

// Of the two of one key in one call the first counts.
func TestRepeatsInsideOneCallAreDuplicatesOrConflicts(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		u := w.utterance(ctx, "")
		other := item(u, "k", 0, "c", "t")
		moved := item(u, "k", 0, "c", "s")
		moved.StartOffset, moved.EndOffset = ptr(0), ptr(1)
		call := []*practice.ErrorInput{item(u, "k", 0, "c", "s"), item(u, "k", 0, "c", "s"), other, item(u, "k", 1, "c", "s"), moved, item(u, "k", 0, "c", "s")}
		for round := range 2 {
			results, err := w.RecordErrors(ctx, call)
			require.NoError(t, err)
			id := results[0].ErrorID
			want := []practice.Status{practice.Recorded, practice.Duplicate, practice.Refused, practice.Recorded, practice.Refused, practice.Duplicate}
			if round == 1 {
				want[0], want[3] = practice.Duplicate, practice.Duplicate
			}
			for i, r := range results {
				require.Equal(t, want[i], r.Status, "%d", i)
				switch i {
				case 2, 4:
					refused(t, r.Err, apperr.Conflict, "input", "items", strconv.Itoa(i), "clientKey")
				case 3:
					require.NotEqual(t, id, r.ErrorID)
				default:
					require.Equal(t, id, r.ErrorID)
				}
			}
		}
		require.Equal(t, []string{"c/s 2"}, w.top(ctx, ""))
	})
}

// A refused item of a key does not stand for the key.
func TestRefusedItemDoesNotTakeTheKey(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		u := w.utterance(ctx, "")
		wrong := item(u, "k", 0, "c", "s")
		wrong.StartOffset, wrong.EndOffset = ptr(0), ptr(1000)
		results, err := w.RecordErrors(ctx, []*practice.ErrorInput{wrong, item(u, "k", 0, "c", "s")})
		require.NoError(t, err)
		require.Equal(t, practice.Refused, results[0].Status)
		require.Equal(t, practice.Recorded, results[1].Status)
	})
}

func TestOneCallRecordsForManyLearnersAndManyUtterances(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		service := key(t, "owner")
		var items []*practice.ErrorInput
		for i := range 50 {
			name := fmt.Sprint("learner ", i)
			u := w.utterance(service, name)
			for index := range 10 {
				in := item(u, "k", index, "c", fmt.Sprint("s", index%3))
				in.ExternalID, in.ConversationID = &name, &u.ConversationID
				items = append(items, in)
			}
		}
		require.Len(t, items, practice.MaxErrors)
		w.record(service, items...)
		for i := range 50 {
			require.Equal(t, []string{"c/s0 4", "c/s1 3", "c/s2 3"}, w.top(service, fmt.Sprint("learner ", i)))
		}
	})
}

func TestPeopleNameNoLearnerAndReachOnlyTheirOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		own, others, services := w.utterance(person(t, "user_a"), ""), w.utterance(person(t, "user_b"), ""), w.utterance(key(t, "user_a"), "learner")
		named := item(own, "k", 0, "c", "s")
		named.ExternalID = ptr("learner")
		call := []*practice.ErrorInput{item(others, "k", 0, "c", "s"), named, item(services, "k", 0, "c", "s"), item(own, "k", 1, "c", "s")}
		results, err := w.RecordErrors(person(t, "user_a"), call)
		require.NoError(t, err)
		refused(t, results[0].Err, apperr.NotFound, "input", "items", "0", "utteranceId")
		refused(t, results[1].Err, apperr.Forbidden, "input", "items", "1", "externalId")
		refused(t, results[2].Err, apperr.NotFound, "input", "items", "2", "utteranceId")
		require.Equal(t, practice.Recorded, results[3].Status)

		results, err = w.RecordErrors(admin(t), []*practice.ErrorInput{item(own, "k", 2, "c", "s")})
		require.NoError(t, err)
		refused(t, results[0].Err, apperr.NotFound)

		_, err = w.RecordErrors(t.Context(), call)
		refused(t, err, apperr.Unauthenticated)
		_, err = w.RecordErrors(key(t, "owner", auth.ScopePracticeRead), call)
		refused(t, err, apperr.Forbidden)
	})
}

func TestErrorsOfAModelAreCountedWithTheOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		u := w.utterance(ctx, "")
		w.record(ctx, item(u, "k", 0, "c", "s"))
		results, err := w.RecordFromModel(t.Context(), "user_a", []*practice.ErrorInput{item(u, "model", 0, "c", "s"), item(u, "k", 0, "c", "s")})
		require.NoError(t, err)
		require.Equal(t, practice.Recorded, results[0].Status)
		require.True(t, apperr.Is(results[1].Err, apperr.Conflict), "the source is part of the content")
		e, err := w.Error(ctx, results[0].ErrorID)
		require.NoError(t, err)
		require.Equal(t, "MODEL", string(e.Source))
		require.Equal(t, []string{"c/s 2"}, w.top(ctx, ""))
	})
}

// The ids are in databases: they must stay what they are.
func TestIDOfAFrequencyIsThatOfItsLearnerAndKind(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ef_pTTkWyt2GtBlmfSJ1pvrKQ2t3-E", practice.FrequencyID("user_a", "grammar", "tense"))
	seen := map[string]bool{}
	for _, parts := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"a", "", "bc"}, {"", "a", "bc"}, {"abc", "", ""}, {"a:b", "c", "d"}, {"a", "b:c", "d"}} {
		id := practice.FrequencyID(parts[0], parts[1], parts[2])
		require.False(t, seen[id], parts)
		seen[id] = true
	}
}
