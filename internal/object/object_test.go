package object_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/object"
)

type toy struct{ id, owner string }

var errAway = errors.New("the database is away")

func TestManyObjectsAreLookedForAtOnceAndComeInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	calls := 0
	k := object.Many("toy", "toy", func(_ context.Context, ids []string) (map[string]*toy, error) {
		calls++
		return map[string]*toy{"toy_1": {id: "toy_1"}, "toy_2": {id: "toy_2"}}, nil
	})
	got := k.Load(t.Context(), []string{"toy_2", "toy_gone", "toy_1"})
	require.Equal(t, 1, calls)
	require.Equal(t, &toy{id: "toy_2"}, got[0].Object)
	require.True(t, apperr.Is(got[1].Err, apperr.NotFound))
	require.ErrorContains(t, got[1].Err, "no such toy")
	require.Equal(t, &toy{id: "toy_1"}, got[2].Object)
}

func TestAFailureIsEveryObjectsThatWasLookedForWithIt(t *testing.T) {
	t.Parallel()
	k := object.Many("toy", "toy", func(context.Context, []string) (map[string]*toy, error) { return nil, errAway })
	for _, r := range k.Load(t.Context(), []string{"toy_1", "toy_2"}) {
		require.ErrorIs(t, r.Err, errAway)
		require.Nil(t, r.Object)
	}
}

func TestObjectsThatAreLookedForOneByOneFailByThemselves(t *testing.T) {
	t.Parallel()
	k := object.One("toy", func(_ context.Context, id string) (*toy, error) {
		if id == "toy_bad" {
			return nil, errAway
		}
		if id == "toy_none" {
			return nil, nil //nolint:nilnil // some domains answer so
		}
		return &toy{id: id}, nil
	})
	got := k.Load(t.Context(), []string{"toy_bad", "toy_1", "toy_none"})
	require.ErrorIs(t, got[0].Err, errAway)
	require.Equal(t, &toy{id: "toy_1"}, got[1].Object)
	require.Nil(t, got[2].Object, "a nil pointer is no object")
}

func TestAnOwnedObjectIsReadFreshAndHasAnOwner(t *testing.T) {
	t.Parallel()
	fresh := func(_ context.Context, id string) (*toy, error) {
		if id == "toy_gone" {
			return nil, errAway
		}
		return &toy{id, "user_a"}, nil
	}
	k := object.Owned(object.One("toy", fresh), fresh, func(o *toy) string { return o.owner })
	found, err := k.Fresh(t.Context(), "toy_1")
	require.NoError(t, err)
	require.Equal(t, "user_a", k.Owner(found))
	none, err := k.Fresh(t.Context(), "toy_gone")
	require.ErrorIs(t, err, errAway)
	require.Nil(t, none)
	require.Empty(t, k.Owner("not a toy"), "what is of another type is nobody's")
}
