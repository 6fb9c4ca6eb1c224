package apperr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
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
		if got := CodeOf(test.err); got != test.want || !Is(test.err, test.want) {
			t.Errorf("%v has the code %s, want %s", test.err, got, test.want)
		}
	}
	if Is(nil, Internal) || Is(nil, "") {
		t.Error("no error has a code")
	}
}

func TestListGivesEveryErrorOfATreeInOrder(t *testing.T) {
	t.Parallel()
	a, b, c := Input("a", "a"), Argument("b", "b"), New(Conflict, "c")
	got := List(fmt.Errorf("all: %w", errors.Join(a, errors.New("plain"), fmt.Errorf("x: %w", errors.Join(b, c)))))
	if !slices.Equal(got, []*Error{a, b, c}) {
		t.Errorf("got %v", got)
	}
	if got := List(Wrap(a, Unavailable, "outer")); len(got) != 1 || got[0].Code != Unavailable {
		t.Errorf("a cause is shown: %v", got)
	}
	if List(nil) != nil || List(errors.New("x")) != nil {
		t.Error("found what is not there")
	}
}

func TestErrorsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	cause := errors.New("driver's words")
	e := Wrap(cause, Unavailable, "Try %s.", "again")
	if e.Message != "Try again." || e.Error() != "UNAVAILABLE: Try again.: driver's words" || !errors.Is(e, cause) {
		t.Errorf("got %v", e)
	}
	if !slices.Equal(Input("title", "x").Path, []string{"input", "title"}) || !slices.Equal(Argument("id", "x").Path, []string{"id"}) {
		t.Error("the paths are wrong")
	}
	if l := Limited(time.Minute, "x"); l.Code != RateLimited || l.RetryAfter != time.Minute {
		t.Errorf("got %+v", l)
	}
	if NotFoundf("%d", 1).Code != NotFound {
		t.Error("NotFoundf is no NOT_FOUND")
	}
}
