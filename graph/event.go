package graph

import (
	"context"

	"parley/ent/gen/consentchange"
	"parley/graph/model"
	"parley/graph/node"
	internalevent "parley/internal/event"
	"parley/internal/live"
)

// events gives the viewer's events as members of the interface.
func (r *Resolver) events(ctx context.Context, after *internalevent.Cursor, topics []model.Topic) (<-chan node.Event, error) {
	words := make([]string, len(topics))
	for i, t := range topics {
		words[i] = string(t)
	}
	return live.Events(ctx, r.Streams, after, words, eventNode)
}

func eventNode(e *live.Event) node.Event {
	switch {
	case e.Reset != "":
		return &model.StreamReset{Cursor: e.Cursor, At: e.At, Reason: model.StreamResetReason(e.Reset)}
	case e.Type == internalevent.TypeJobChanged:
		return &model.JobChanged{Cursor: e.Cursor, At: e.At, JobID: e.Object, Version: int(e.Version), Job: e.Job}
	case e.Type == internalevent.TypeNoteChanged:
		return &model.NoteChanged{Cursor: e.Cursor, At: e.At, NoteID: e.Object, Action: model.NoteAction(e.State), Note: e.Note}
	case e.Type == internalevent.TypeConsentChanged:
		return &model.ConsentChanged{Cursor: e.Cursor, At: e.At, ID: e.Object, DialogID: e.Parent, State: consentchange.State(e.State)}
	}
	return &model.TranslationChanged{Cursor: e.Cursor, At: e.At, NoteID: e.Parent, TranslationID: e.Object, Translation: e.Translation}
}
