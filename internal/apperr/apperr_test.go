package apperr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCodeOfFindsTheCodeInATreeOfErrors(t *testing.T) {
	t.Parallel()
	conflict := New(Conflict, "taken")
	for _, test := range []struct {
		err  error
		want Code
	}{
		{conflict, Conflict}, {fmt.Errorf("a: %w", conflict), Conflict}, {errors.Join(errors.New("x"), conflict), Conflict},
		{Wrap(conflict, NotFound, "gone"), NotFound}, {context.DeadlineExceeded, Timeout},
		{Wrap(context.DeadlineExceeded, Unavailable, "x"), Unavailable}, {errors.New("x"), Internal}, {context.Canceled, Internal},
	} {
		got := CodeOf(test.err)
		assert.Equal(t, test.want, got, "%v has the code %s, want %s", test.err, got, test.want)
		assert.True(t, Is(test.err, test.want), "%v has the code %s, want %s", test.err, got, test.want)
	}
	assert.False(t, Is(nil, Internal), "no error has a code")
	assert.False(t, Is(nil, ""), "no error has a code")
}

func TestListGivesEveryErrorOfATreeInOrder(t *testing.T) {
	t.Parallel()
	a, b, c := Input("a", "a"), Argument("b", "b"), New(Conflict, "c")
	got := List(fmt.Errorf("all: %w", errors.Join(a, errors.New("plain"), fmt.Errorf("x: %w", errors.Join(b, c)))))
	assert.True(t, slices.Equal(got, []*Error{a, b, c}), "got %v", got)
	got = List(Wrap(a, Unavailable, "outer"))
	require.Len(t, got, 1, "a cause is shown")
	assert.Equal(t, Unavailable, got[0].Code, "a cause is shown")
	assert.Nil(t, List(nil), "found what is not there")
	assert.Nil(t, List(errors.New("x")), "found what is not there")
}

func TestErrorsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	cause := errors.New("driver's words")
	e := Wrap(cause, Unavailable, "Try %s.", "again")
	assert.Equal(t, "Try again.", e.Message)
	assert.Equal(t, "UNAVAILABLE: Try again.: driver's words", e.Error())
	assert.ErrorIs(t, e, cause)
	assert.Equal(t, []string{"input", "title"}, Input("title", "x").Path, "the paths are wrong")
	assert.Equal(t, []string{"id"}, Argument("id", "x").Path, "the paths are wrong")
	l := Limited(time.Minute, "x")
	assert.Equal(t, RateLimited, l.Code, "got %+v", l)
	assert.Equal(t, time.Minute, l.RetryAfter, "got %+v", l)
	assert.Equal(t, NotFound, NotFoundf("%d", 1).Code, "NotFoundf is no NOT_FOUND")
}
