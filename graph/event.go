package graph

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"parley/graph/model"
	"parley/graph/node"
	"parley/internal/event"
	"parley/internal/live"
)

// events gives the viewer's events as members of the interface.
func (r *Resolver) events(ctx context.Context, after *event.Cursor, topics []model.Topic, resumeKey *string) (<-chan node.Event, error) {
	return live.Events(ctx, r.Streams, live.EventsAsk{After: after, Topics: topicWords(topics), ResumeKey: resumeKey}, eventNode)
}

func topicWords(topics []model.Topic) []string {
	words := make([]string, len(topics))
	for i, t := range topics {
		words[i] = string(t)
	}
	return words
}

// eventsSince gives some of the viewer's events.
func (r *Resolver) eventsSince(ctx context.Context, after *event.Cursor, waitMs int, topics []model.Topic) (*model.EventBatch, error) {
	// Longer than any wait that is allowed, and far from what a Duration can't hold.
	wait := time.Duration(min(max(waitMs, -1), 1_000_000)) * time.Millisecond
	b, err := r.Streams.Since(ctx, after, topicWords(topics), wait)
	if err != nil {
		return nil, err
	}
	batch := &model.EventBatch{Events: make([]node.Event, len(b.Events)), Cursor: b.Cursor, HasMore: b.More}
	for i, e := range b.Events {
		batch.Events[i] = eventNode(e)
	}
	return batch, nil
}

// Delivery is the directive @delivery: it gives a stream its policy.
func Delivery(ctx context.Context, _ any, next graphql.Resolver, conflate model.Conflation, pending int) (any, error) {
	return next(live.WithPolicy(ctx, live.Policy{Pending: pending, Conflate: conflate == model.ConflationLatest}))
}

func eventNode(e *live.Event) node.Event {
	switch {
	case e.Reset != "":
		return &model.StreamReset{Cursor: e.Cursor, At: e.At, Reason: model.StreamResetReason(e.Reset)}
	case !e.Expires.IsZero():
		return &model.SessionExpiring{Cursor: e.Cursor, At: e.At, ExpiresAt: e.Expires}
	}
	return e.Shown
}
