package graph

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/graph/model"
	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/practice"
)

func TestAnItemThatWasRefusedSaysWhy(t *testing.T) {
	t.Parallel()
	var s itemErrors
	require.Nil(t, s.show(t.Context(), nil))
	for _, c := range model.AllItemErrorCode {
		err := fmt.Errorf("item: %w", errors.Join(apperr.New(apperr.Code(c), "First."), apperr.New(apperr.Internal, "Second.")))
		require.Equal(t, &model.ItemError{Code: c, Message: "First."}, s.show(t.Context(), err))
	}
	require.Equal(t, &model.ItemError{Code: model.ItemErrorCodeBadInput, Message: "Empty.", Argument: []string{"input", "text"}},
		s.show(t.Context(), apperr.Input("text", "Empty.")))
}

func TestAnItemThatWasNotReachedInTimeIsNoInternalError(t *testing.T) {
	t.Parallel()
	ctx, log := withJournal(t.Context())
	for want, err := range map[model.ItemErrorCode]error{
		model.ItemErrorCodeTimeout: context.DeadlineExceeded, model.ItemErrorCodeUnavailable: context.Canceled,
	} {
		var s itemErrors
		got := s.show(ctx, fmt.Errorf("write: %w", err))
		require.Equal(t, want, got.Code)
		require.NotContains(t, got.Message, "context")
	}
	require.Empty(t, log.String())
}

func TestWhatIsNoItemsFaultIsLoggedOnceHoweverManyItIsTheAnswerTo(t *testing.T) {
	t.Parallel()
	ctx, log := withJournal(t.Context())
	failure, other := errors.New("the driver's words"), errors.New("other words")
	// A code that items don't have is as much of a surprise as a driver's error.
	strange := apperr.New(apperr.PersistedQueryMissing, "strange words")
	var s itemErrors
	first := s.show(ctx, failure)
	require.Same(t, first, s.show(ctx, failure))
	for _, err := range []error{other, strange} {
		require.NotEqual(t, first.Message, s.show(ctx, err).Message, "another failure has another reference")
	}
	require.Equal(t, model.ItemErrorCodeInternal, first.Code)
	require.NotContains(t, first.Message, "driver")
	_, reference, ok := strings.Cut(strings.TrimSuffix(first.Message, "."), "The log has it under ")
	require.True(t, ok, first.Message)
	require.Contains(t, log.String(), "reference="+reference)
	require.Equal(t, 1, strings.Count(log.String(), "the driver's words"))
	require.Equal(t, 3, strings.Count(log.String(), "\n"))
}

func TestResultsOfItemsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	refused := apperr.New(apperr.NotFound, "Gone.")
	gone := &model.ItemError{Code: model.ItemErrorCodeNotFound, Message: "Gone."}
	said, d := &gen.Utterance{ID: "utt_x"}, &dialog.Dialog{}

	require.Equal(t, []*model.AddUtteranceResult{{Utterance: said}, {Error: gone}},
		utteranceResults(t.Context(), []practice.UtteranceResult{{Utterance: said}, {Err: refused}}))
	require.Equal(t, []*model.PushDialogResult{{Error: gone}, {Dialog: d}},
		pushResults(t.Context(), []dialog.PushResult{{Err: refused}, {Dialog: d}}))
}

func TestOnlyErrorsThatAreNewCountAsRecorded(t *testing.T) {
	t.Parallel()
	got := recordedErrors(t.Context(), []practice.Result{
		{Status: practice.Recorded, ErrorID: "a"}, {Status: practice.Duplicate, ErrorID: "b"},
		{Status: practice.Refused, Err: apperr.New(apperr.Conflict, "Taken.")}, {Status: practice.Recorded, ErrorID: "c"},
	})
	a, b, c := "a", "b", "c"
	require.Equal(t, &model.RecordErrorsPayload{Recorded: 2, Results: []*model.RecordErrorResult{
		{Status: practice.Recorded, ErrorID: &a}, {Status: practice.Duplicate, ErrorID: &b},
		{Status: practice.Refused, Error: &model.ItemError{Code: model.ItemErrorCodeConflict, Message: "Taken."}}, {Status: practice.Recorded, ErrorID: &c},
	}}, got)
}
