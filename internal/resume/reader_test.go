package resume_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/event"
	"parley/internal/resume"
)

func TestAReaderKnowsThePlaceOfEachResponse(t *testing.T) {
	t.Parallel()
	reader := &resume.Reader{}
	_, ok := reader.Sent()
	require.False(t, ok, "a stream that marks nothing")
	one, two := event.Cursor{Epoch: "e", Position: 1}, event.Cursor{Epoch: "e", Position: 2}
	reader.Mark(one)
	reader.Mark(two)
	for _, want := range []event.Cursor{one, two} {
		at, ok := reader.Sent()
		require.True(t, ok)
		require.Equal(t, want, at)
	}
	_, ok = reader.Sent()
	require.False(t, ok)
	_, worth := reader.Unconfirmed()
	require.False(t, worth, "nobody keeps its position")
	require.False(t, reader.Kept())
	require.NoError(t, reader.Confirm(t.Context(), two))
}

func TestWithoutAReaderNothingIsKept(t *testing.T) {
	t.Parallel()
	none := resume.From(t.Context())
	require.Nil(t, none)
	none.Mark(event.Cursor{})
	_, ok := none.Sent()
	require.False(t, ok)
	_, worth := none.Unconfirmed()
	require.False(t, worth || none.Kept())
	require.NoError(t, none.Forget(t.Context()))
}

func TestWhatWasSentIsUnconfirmedUntilItIsConfirmed(t *testing.T) {
	onBoth(t, resume.Config{}, func(t *testing.T, r *room) {
		ctx, reader := r.reading(operation)
		after := r.at(1)
		require.Equal(t, int64(1), r.begin(ctx, viewer, resume.Ask{After: &after}))
		require.True(t, reader.Kept())
		_, worth := reader.Unconfirmed()
		require.False(t, worth, "its first position is kept already")
		reader.Mark(r.at(4))
		_, worth = reader.Unconfirmed()
		require.False(t, worth, "it has not left")
		reader.Sent()
		at, worth := reader.Unconfirmed()
		require.True(t, worth)
		require.Equal(t, r.at(4), at)
		require.NoError(t, reader.Confirm(ctx, at))
		_, worth = reader.Unconfirmed()
		require.False(t, worth)
		require.Equal(t, int64(4), r.begin(ctx, viewer, resume.Ask{}))
		require.NoError(t, reader.Forget(ctx))
		require.False(t, reader.Kept())
		require.Equal(t, int64(-1), r.begin(ctx, viewer, resume.Ask{}))
	})
}

func TestAReaderThatWasGivenNothingKeepsNothing(t *testing.T) {
	onBoth(t, resume.Config{KeepOperations: 4}, func(t *testing.T, r *room) {
		ctx, reader := r.reading(operation)
		from, err := r.Begin(ctx, viewer, resume.Ask{Head: r.at(10)}) // as translations do
		require.NoError(t, err)
		require.Nil(t, from)
		_, worth := reader.Unconfirmed()
		require.False(t, worth)
	})
}
