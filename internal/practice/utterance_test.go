package practice_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/practice"
	"parley/internal/store"
)

func TestBadUtterancesAreRefusedOneByOneAndTheGoodOnesKept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		service := key(t, "owner")
		c := w.start(service, "learner")
		foreign, account := w.start(key(t, "stranger"), "learner"), w.start(person(t, "owner"), "")
		full := strings.Repeat("é", 4096)
		tests := []struct {
			in    practice.UtteranceInput
			code  apperr.Code
			field string
		}{
			{practice.UtteranceInput{ConversationID: "", Text: "x"}, apperr.BadInput, "conversationId"},
			{practice.UtteranceInput{ConversationID: "conv_x", Text: "x"}, apperr.BadInput, "conversationId"},
			{practice.UtteranceInput{ConversationID: store.NewID("utt"), Text: "x"}, apperr.NotFound, "conversationId"},
			{practice.UtteranceInput{ConversationID: store.NewID("conv"), Text: "x"}, apperr.NotFound, "conversationId"},
			{practice.UtteranceInput{ConversationID: foreign.ID, Text: "x"}, apperr.NotFound, "conversationId"},
			{practice.UtteranceInput{ConversationID: account.ID, Text: "x"}, apperr.NotFound, "conversationId"},
			{practice.UtteranceInput{ConversationID: c.ID, Text: full + "x"}, apperr.TooLarge, "text"},
			{practice.UtteranceInput{ConversationID: c.ID, Text: "a\x00"}, apperr.BadInput, "text"},
			{practice.UtteranceInput{ConversationID: c.ID, Text: "a\xff"}, apperr.BadInput, "text"},
			{practice.UtteranceInput{ConversationID: c.ID, Text: "x", ClientKey: ptr("")}, apperr.BadInput, "clientKey"},
			{practice.UtteranceInput{ConversationID: c.ID, Text: "x", ClientKey: ptr(strings.Repeat("x", 129))}, apperr.BadInput, "clientKey"},
			{practice.UtteranceInput{ConversationID: c.ID, Text: "x", ClientKey: ptr("\x00")}, apperr.BadInput, "clientKey"},
		}
		var items []*practice.UtteranceInput
		for i := range tests {
			text := []string{"", full, "👩‍🏫 'quoted' \"too\" \\ :", " "}[i%4]
			items = append(items, &tests[i].in, &practice.UtteranceInput{ConversationID: c.ID, Text: text})
		}
		results, err := w.AddUtterances(service, items)
		require.NoError(t, err)
		for i, r := range results {
			if i%2 == 0 {
				require.Nil(t, r.Utterance)
				refused(t, r.Err, tests[i/2].code, "input", "items", strconv.Itoa(i), tests[i/2].field)
				continue
			}
			require.NoError(t, r.Err)
			kept, err := w.Utterance(service, r.Utterance.ID)
			require.NoError(t, err)
			require.Equal(t, items[i].Text, kept.Text)
			require.Equal(t, []string{c.ID, c.UserID}, []string{kept.ConversationID, kept.UserID})
			require.True(t, kept.CreatedAt.Equal(r.Utterance.CreatedAt))
		}
		require.Equal(t, len(tests), w.count("utterances"))
		for _, test := range tests {
			_, err := w.AddUtterance(service, test.in)
			refused(t, err, test.code, "input", test.field)
		}
		_, err = w.AddUtterance(person(t, "owner"), practice.UtteranceInput{ConversationID: c.ID, Text: "x"})
		refused(t, err, apperr.NotFound, "input", "conversationId")
		_, err = w.AddUtterance(admin(t), practice.UtteranceInput{ConversationID: account.ID, Text: "x"})
		refused(t, err, apperr.NotFound, "input", "conversationId")
		_, err = w.AddUtterance(key(t, "owner", auth.ScopePracticeRead), *items[1])
		refused(t, err, apperr.Forbidden)
		_, err = w.AddUtterance(t.Context(), *items[1])
		refused(t, err, apperr.Unauthenticated)
	})
}

func TestSameClientKeyGivesTheSameUtterance(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := person(t, "user_a")
		c, other := w.start(ctx, ""), w.start(ctx, "")
		add := func(conversation, text, clientKey string) *practice.UtteranceInput {
			return &practice.UtteranceInput{ConversationID: conversation, Text: text, ClientKey: &clientKey}
		}
		call := []*practice.UtteranceInput{
			add(c.ID, "hello", "k"), add(c.ID, "hello", "k"), add(c.ID, "bye", "k"), add(c.ID, "bye", "l"), add(other.ID, "bye", "k"),
			{ConversationID: c.ID, Text: "hello"}, {ConversationID: c.ID, Text: "hello"},
		}
		var first []practice.UtteranceResult
		for range 3 {
			results, err := w.AddUtterances(ctx, call)
			require.NoError(t, err)
			refused(t, results[2].Err, apperr.Conflict, "input", "items", "2", "clientKey")
			require.Equal(t, results[0].Utterance.ID, results[1].Utterance.ID)
			require.NotEqual(t, results[5].Utterance.ID, results[6].Utterance.ID, "without a key all are new")
			if first == nil {
				first = results
				continue
			}
			for i := range 5 {
				if i != 2 {
					require.Equal(t, first[i].Utterance.ID, results[i].Utterance.ID)
					require.True(t, first[i].Utterance.CreatedAt.Equal(results[i].Utterance.CreatedAt))
				}
			}
		}
		require.Equal(t, 3+6, w.count("utterances"))
		one, err := w.AddUtterance(ctx, *call[0])
		require.NoError(t, err)
		require.Equal(t, first[0].Utterance.ID, one.ID)
		_, err = w.AddUtterance(ctx, *call[2])
		refused(t, err, apperr.Conflict, "input", "clientKey")
	})
}

func TestUtterancesOfOneKeyThatCrossAreOne(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas []*world) {
		c := replicas[0].start(key(t, "owner"), "learner")
		var mu sync.Mutex
		ids := map[string]string{}
		var all sync.WaitGroup
		for writer := range 8 {
			all.Go(func() {
				for n := range 30 {
					k := fmt.Sprint((n*7 + writer*13) % 30)
					u, err := replicas[writer%len(replicas)].AddUtterance(key(t, "owner"), practice.UtteranceInput{ConversationID: c.ID, Text: k, ClientKey: &k})
					mu.Lock()
					switch {
					case err != nil:
						t.Error(err)
					case ids[k] != "" && ids[k] != u.ID:
						t.Errorf("%s has the ids %s and %s", k, ids[k], u.ID)
					default:
						ids[k] = u.ID
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		require.Len(t, ids, 30)
		require.Equal(t, 30, replicas[0].count("utterances"))
		require.Zero(t, replicas[0].Waiting())
	})
}
