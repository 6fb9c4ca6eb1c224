package graph

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/page"
	"parley/internal/store"
)

// batched runs a test with the loaders of one response in a bubble of its own
// time: there, a loader waits until everybody has asked, however busy the machine.
func batched(t *testing.T, s *shelf, test func(t *testing.T, ctx context.Context)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		respond(t.Context(), s.resolver(t), func(ctx context.Context) { test(t, ctx) })
	})
}

func TestIDsOfOneKindAreLookedUpTogether(t *testing.T) {
	s := newShelf()
	a, b, none := s.put("a"), s.put("b"), store.NewID("note")
	broken := s.fail(errors.New("broken"))
	batched(t, s, func(t *testing.T, ctx context.Context) {
		l := loadersFrom(ctx)
		ids := []string{a, b, a, none, broken}
		waits := make([]func() (any, error), len(ids))
		for i, id := range ids {
			wait, known := l.object(ctx, "note", id)
			require.True(t, known)
			waits[i] = wait
		}
		for i, id := range []string{a, b, a} {
			got, err := waits[i]()
			require.NoError(t, err, "what is wrong with one is not wrong with another")
			require.Same(t, s.notes[id], got)
		}
		_, err := waits[3]()
		require.True(t, apperr.Is(err, apperr.NotFound))
		_, err = waits[4]()
		require.ErrorContains(t, err, "broken")
		require.Equal(t, [][]string{{a, b, none, broken}}, s.asked, "one call, each id once")

		_, err = load[gen.Note](ctx, a)
		require.NoError(t, err)
		require.Len(t, s.asked, 1, "the response knows it already")
	})
}

func TestAPrefixThatNobodyAnnouncesIsUnknown(t *testing.T) {
	s := newShelf()
	batched(t, s, func(t *testing.T, ctx context.Context) {
		id := store.NewID("teapot")
		_, known := loadersFrom(ctx).object(ctx, "teapot", id)
		require.False(t, known)
		for _, id := range []string{id, "nonsense", ""} {
			_, err := load[gen.Note](ctx, id)
			require.ErrorContains(t, err, "nothing loads")
			require.Equal(t, apperr.Internal, apperr.CodeOf(err), "ids in our own rows are not the caller's")
		}
		require.Empty(t, s.asked)
	})
}

func TestLoadOfAnotherTypeIsAnError(t *testing.T) {
	s := newShelf()
	id := s.put("a")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		n, err := load[gen.Note](ctx, id)
		require.NoError(t, err)
		require.Equal(t, "a", n.Title)
		_, err = load[gen.Job](ctx, id)
		require.ErrorContains(t, err, "is a *gen.Note")
	})
}

func TestWhatIsGoneIsNotFoundToLoadAndNullWhereAFieldAllowsIt(t *testing.T) {
	s := newShelf()
	broken := s.fail(errors.New("broken"))
	here := s.put("here")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		gone := store.NewID("note")
		_, err := load[gen.Note](ctx, gone)
		require.True(t, apperr.Is(err, apperr.NotFound))
		n, err := visible(load[gen.Note](ctx, gone))
		require.NoError(t, err)
		require.Nil(t, n)
		_, err = visible(load[gen.Note](ctx, broken))
		require.ErrorContains(t, err, "broken", "only NOT_FOUND is null")
		n, err = visible(load[gen.Note](ctx, here))
		require.NoError(t, err)
		require.Equal(t, "here", n.Title)
	})
}

// joinAll asks for a field of several objects at once and gives the answers in
// their order. The keys differ: whoever waits for the same key waits for a mutex,
// for which the bubble's time does not go on.
func joinAll(ctx context.Context, name string, keys []string, find func(context.Context, []string) (map[string]string, error)) ([]string, []error) {
	values, errs := make([]string, len(keys)), make([]error, len(keys))
	done := make(chan struct{})
	for i, key := range keys {
		go func() {
			values[i], errs[i] = joined(ctx, name, key, itself, find)
			done <- struct{}{}
		}()
	}
	for range keys {
		<-done
	}
	return values, errs
}

func TestAFieldOfManyObjectsIsLookedUpOnceAndWhatIsNotFoundIsTheZeroValue(t *testing.T) {
	batched(t, newShelf(), func(t *testing.T, ctx context.Context) {
		var asked [][]string
		upper := func(_ context.Context, keys []string) (map[string]string, error) {
			asked = append(asked, slices.Sorted(slices.Values(keys)))
			return map[string]string{"a": strings.ToUpper("a"), "c": strings.ToUpper("c")}, nil
		}
		values, errs := joinAll(ctx, "Toy.upper", []string{"a", "b", "c"}, upper)
		require.Equal(t, []string{"A", "", "C"}, values)
		require.Equal(t, make([]error, 3), errs)
		values, _ = joinAll(ctx, "Toy.upper", []string{"a"}, upper)
		require.Equal(t, []string{"A"}, values)
		require.Equal(t, [][]string{{"a", "b", "c"}}, asked, "once, and what is known is not asked again")

		other := func(context.Context, []string) (map[string]string, error) {
			return map[string]string{"a": "another"}, nil
		}
		values, _ = joinAll(ctx, "Toy.other", []string{"a"}, other)
		require.Equal(t, []string{"another"}, values, "another field has another answer")
	})
}

func TestAFailedLookUpOfAFieldFailsItForAllOfItsObjects(t *testing.T) {
	batched(t, newShelf(), func(t *testing.T, ctx context.Context) {
		_, errs := joinAll(ctx, "Toy.upper", []string{"a", "b"}, func(context.Context, []string) (map[string]string, error) {
			return nil, errors.New("broken")
		})
		for _, err := range errs {
			require.ErrorContains(t, err, "broken")
		}
	})
}

// Loaders that outlived a response would show a subscription old rows.
func TestTwoResponsesShareNothing(t *testing.T) {
	t.Parallel()
	s := newShelf()
	id := s.put("old")
	r := s.resolver(t)
	title := func() (title string) {
		respond(t.Context(), r, func(ctx context.Context) {
			n, err := load[gen.Note](ctx, id)
			require.NoError(t, err)
			title = n.Title
		})
		return title
	}
	require.Equal(t, "old", title())
	s.notes[id] = &gen.Note{ID: id, Title: "new"}
	require.Equal(t, "new", title())

	field := func(answer string) (got string) {
		respond(t.Context(), r, func(ctx context.Context) {
			var err error
			got, err = joined(ctx, "Toy.upper", "a", itself, func(context.Context, []string) (map[string]string, error) {
				return map[string]string{"a": answer}, nil
			})
			require.NoError(t, err)
		})
		return got
	}
	require.Equal(t, "first", field("first"))
	require.Equal(t, "second", field("second"))
}

func TestTheTextsOfOneAnswerAreBounded(t *testing.T) {
	t.Parallel()
	r := newShelf().resolver(t)
	size := func(bytes int) int { return bytes }
	respond(t.Context(), r, func(ctx context.Context) {
		rows, err := texts(ctx, []int{maxTexts / 2, maxTexts/2 - 1}, nil, size)
		require.NoError(t, err)
		require.Len(t, rows, 2, "they are passed on")
		p := &page.Page[int]{Edges: []page.Edge[int]{{Node: 1}}}
		require.NoError(t, spendPage(ctx, p, nil, size), "as much as is allowed")
		require.True(t, apperr.Is(spendPage(ctx, p, nil, size), apperr.TooLarge), "the whole answer counts")
		_, err = texts(ctx, []int{1}, nil, size)
		require.True(t, apperr.Is(err, apperr.TooLarge))
	})
	respond(t.Context(), r, func(ctx context.Context) {
		broken := errors.New("broken")
		_, err := texts(ctx, []int(nil), broken, size)
		require.ErrorIs(t, err, broken, "an error is passed on")
		require.ErrorIs(t, spendPage(ctx, (*page.Page[int])(nil), broken, size), broken)
		_, err = texts(ctx, []int{maxTexts}, nil, size)
		require.NoError(t, err, "the next answer begins anew")
	})
}
