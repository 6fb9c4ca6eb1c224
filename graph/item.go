package graph

import (
	"context"
	"errors"
	"log/slog"

	"parley/graph/model"
	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/feedback"
	"parley/internal/practice"
	"parley/internal/sticker"
	"parley/internal/store"
)

// itemErrors shows why items of a call were refused, in the words that
// PresentError would use for a whole call.
type itemErrors struct {
	// seen are the answers to what is no item's fault: such an error comes for
	// many items, and is logged once.
	seen map[string]*model.ItemError
}

func (s *itemErrors) show(ctx context.Context, err error) *model.ItemError {
	if err == nil {
		return nil
	}
	if all := apperr.List(err); len(all) > 0 {
		e := all[0]
		if code := model.ItemErrorCode(e.Code); code.IsValid() {
			return &model.ItemError{Code: code, Message: e.Message, Argument: e.Path}
		}
	}
	shown := s.seen[err.Error()]
	if shown == nil {
		shown = otherItemError(ctx, err)
		if s.seen == nil {
			s.seen = map[string]*model.ItemError{}
		}
		s.seen[err.Error()] = shown
	}
	return shown
}

func otherItemError(ctx context.Context, err error) *model.ItemError {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &model.ItemError{Code: model.ItemErrorCodeTimeout, Message: "It took too long: look whether it was done before trying again."}
	case errors.Is(err, context.Canceled):
		return &model.ItemError{Code: model.ItemErrorCodeUnavailable, Message: "The call was cancelled before its turn came."}
	}
	reference := store.NewID("err")
	slog.ErrorContext(ctx, "internal error of an item", "reference", reference, "error", err)
	return &model.ItemError{Code: model.ItemErrorCodeInternal, Message: "Something went wrong on our side. The log has it under " + reference + "."}
}

func utteranceResults(ctx context.Context, results []practice.UtteranceResult) []*model.AddUtteranceResult {
	shown, errs := make([]*model.AddUtteranceResult, len(results)), itemErrors{}
	for i, r := range results {
		shown[i] = &model.AddUtteranceResult{Utterance: r.Utterance, Error: errs.show(ctx, r.Err)}
	}
	return shown
}

func recordedErrors(ctx context.Context, results []practice.Result) *model.RecordErrorsPayload {
	p, errs := &model.RecordErrorsPayload{Results: make([]*model.RecordErrorResult, len(results))}, itemErrors{}
	for i, r := range results {
		shown := &model.RecordErrorResult{Status: r.Status, Error: errs.show(ctx, r.Err)}
		if r.ErrorID != "" {
			shown.ErrorID = &results[i].ErrorID
		}
		if r.Status == practice.Recorded {
			p.Recorded++
		}
		p.Results[i] = shown
	}
	return p
}

func pushResults(ctx context.Context, results []dialog.PushResult) []*model.PushDialogResult {
	shown, errs := make([]*model.PushDialogResult, len(results)), itemErrors{}
	for i, r := range results {
		shown[i] = &model.PushDialogResult{Dialog: r.Dialog, Error: errs.show(ctx, r.Err)}
	}
	return shown
}

func stickerResults(ctx context.Context, results []sticker.Result) []*model.AddStickerResult {
	shown, errs := make([]*model.AddStickerResult, len(results)), itemErrors{}
	for i, r := range results {
		shown[i] = &model.AddStickerResult{Sticker: r.Sticker, Error: errs.show(ctx, r.Err)}
	}
	return shown
}

func feedbackResults(ctx context.Context, results []feedback.ItemResult) []*model.FeedbackResult {
	shown, errs := make([]*model.FeedbackResult, len(results)), itemErrors{}
	for i, r := range results {
		shown[i] = &model.FeedbackResult{Saved: r.Saved, Failed: append([]string{}, r.Failed...), Error: errs.show(ctx, r.Err)}
	}
	return shown
}
