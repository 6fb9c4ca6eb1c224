package graph

import (
	"context"
	"log/slog"

	"parley/graph/model"
	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/practice"
	"parley/internal/store"
)

// itemError shows why one item of a call was refused, in the words that
// PresentError would use for a whole call.
func itemError(ctx context.Context, err error) *model.ItemError {
	if err == nil {
		return nil
	}
	if all := apperr.List(err); len(all) > 0 {
		e := all[0]
		if code := model.ItemErrorCode(e.Code); code.IsValid() {
			return &model.ItemError{Code: code, Message: e.Message, Argument: e.Path}
		}
	}
	if code := apperr.CodeOf(err); code == apperr.Timeout {
		return &model.ItemError{Code: model.ItemErrorCodeTimeout, Message: "It took too long: look whether it was done before trying again."}
	}
	reference := store.NewID("err")
	slog.ErrorContext(ctx, "internal error of an item", "reference", reference, "error", err)
	return &model.ItemError{Code: model.ItemErrorCodeInternal, Message: "Something went wrong on our side. The log has it under " + reference + "."}
}

func utteranceResults(ctx context.Context, results []practice.UtteranceResult) []*model.AddUtteranceResult {
	shown := make([]*model.AddUtteranceResult, len(results))
	for i, r := range results {
		shown[i] = &model.AddUtteranceResult{Utterance: r.Utterance, Error: itemError(ctx, r.Err)}
	}
	return shown
}

func recordedErrors(ctx context.Context, results []practice.Result) *model.RecordErrorsPayload {
	p := &model.RecordErrorsPayload{Results: make([]*model.RecordErrorResult, len(results))}
	for i, r := range results {
		shown := &model.RecordErrorResult{Status: r.Status, Error: itemError(ctx, r.Err)}
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
	shown := make([]*model.PushDialogResult, len(results))
	for i, r := range results {
		shown[i] = &model.PushDialogResult{Dialog: r.Dialog, Error: itemError(ctx, r.Err)}
	}
	return shown
}
