package graph

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/graph/model"
	"parley/graph/node"
	"parley/internal/event"
	"parley/internal/live"
)

func TestAnEventIsWhatItsTypeShowsOrOneOfTheTwoThatComeWhateverTheTopics(t *testing.T) {
	t.Parallel()
	at, end := time.Unix(1, 0).UTC(), time.Unix(100, 0).UTC()
	cursor := event.Cursor{Epoch: "e", Position: 7}
	m := event.Message{Event: event.Event{At: at}, Cursor: cursor}
	type toyChanged struct{ id string }
	shown := &toyChanged{"toy_x"}
	for name, test := range map[string]struct {
		event *live.Event
		want  node.Event
	}{
		"shown":    {&live.Event{Message: m, Shown: shown}, shown},
		"reset":    {&live.Event{Message: m, Reset: "EXPIRED"}, &model.StreamReset{Cursor: cursor, At: at, Reason: model.StreamResetReasonExpired}},
		"epoch":    {&live.Event{Message: m, Reset: "EPOCH"}, &model.StreamReset{Cursor: cursor, At: at, Reason: model.StreamResetReasonEpoch}},
		"expiring": {&live.Event{Message: m, Expires: end}, &model.SessionExpiring{Cursor: cursor, At: at, ExpiresAt: end}},
	} {
		require.Equal(t, test.want, eventNode(test.event), name)
	}
}

func TestTopicsAreAskedForByTheirWords(t *testing.T) {
	t.Parallel()
	require.Empty(t, topicWords(nil))
	for _, topic := range model.AllTopic {
		require.Equal(t, []string{topic.String()}, topicWords([]model.Topic{topic}))
	}
}

func TestDeliveryHandsTheFieldsAnswerOn(t *testing.T) {
	t.Parallel()
	type stream chan int
	answer := make(stream)
	before := t.Context()
	got, err := Delivery(before, nil, func(ctx context.Context) (any, error) {
		require.NotEqual(t, before, ctx, "the resolver finds the policy in its context")
		return answer, nil
	}, model.ConflationLatest, 3)
	require.NoError(t, err)
	require.Equal(t, answer, got)
}
