package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"parley/graph/model"
	"parley/internal/audit"
	"parley/internal/feedback"
	"parley/internal/job"
	"parley/internal/note"
	"parley/internal/sticker"
)

func jobFilter(in *model.JobFilter) job.Filter {
	if in == nil {
		return job.Filter{}
	}
	f := job.Filter{States: in.States}
	if in.Kind != nil {
		f.Kind = *in.Kind
	}
	if in.NoteID != nil {
		f.Parent = *in.NoteID
	}
	return f
}

func noteFilter(in *note.Filter) note.Filter {
	if in == nil {
		return note.Filter{}
	}
	return *in
}

func noteOrder(in *model.NoteOrder) note.Order {
	if in == nil {
		return note.Order{Field: note.OrderCreated, Descending: true}
	}
	return note.Order{Field: in.Field, Descending: in.Direction == model.OrderDirectionDesc}
}

func addStickers(in model.AddStickersInput) sticker.AddInput {
	files := make([]sticker.File, len(in.Files))
	for i, f := range in.Files {
		files[i] = sticker.File{Name: f.Filename, Content: f.File}
	}
	return sticker.AddInput{
		Files: files, Captions: in.Captions, Tags: in.Tags, Licence: in.Licence, Visibility: in.Visibility, IdempotencyKey: in.IdempotencyKey,
	}
}

func stickerFilter(in *sticker.Filter) sticker.Filter {
	if in == nil {
		return sticker.Filter{}
	}
	return *in
}

func stickerOrder(in *model.StickerOrder) sticker.Order {
	if in == nil {
		return sticker.Order{Field: sticker.OrderCreated, Descending: true}
	}
	return sticker.Order{Field: in.Field, Descending: in.Direction == model.OrderDirectionDesc}
}

func auditFilter(in *audit.Filter) audit.Filter {
	if in == nil {
		return audit.Filter{}
	}
	return *in
}

func queryFilter(in *feedback.QueryFilter) feedback.QueryFilter {
	if in == nil {
		return feedback.QueryFilter{}
	}
	return *in
}

// given leaves out the default of an argument that the operation does not name.
func given(ctx context.Context, argument string, value *int) *int {
	if graphql.GetFieldContext(ctx).Field.Arguments.ForName(argument) == nil {
		return nil
	}
	return value
}
