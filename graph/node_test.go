package graph

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen/privacy"
	"parley/graph/node"
	"parley/internal/apperr"
	"parley/internal/page"
	"parley/internal/store"
)

func TestNodesKeepTheirOrderAndAreLookedUpTogether(t *testing.T) {
	s := newShelf()
	a, b, c := s.put("a"), s.put("b"), s.put("c")
	gone, user, strange := store.NewID("note"), store.NewID("user"), store.NewID("teapot")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		got, err := loadersFrom(ctx).nodes(signedIn(ctx), []string{c, gone, a, user, strange, b, c})
		require.NoError(t, err)
		require.Equal(t, []node.Node{s.notes[c], nil, s.notes[a], nil, nil, s.notes[b], s.notes[c]}, got)
		require.Equal(t, [][]string{{c, gone, a, b}}, s.asked)
	})
}

func TestNodeFindsAnObjectAndIsNullForWhatIsNotThere(t *testing.T) {
	s := newShelf()
	id := s.put("a")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		r, ctx := loadersFrom(ctx).Resolver, signedIn(ctx)
		got, err := r.node(ctx, id)
		require.NoError(t, err)
		require.Same(t, s.notes[id], got)
		for _, id := range []string{store.NewID("note"), store.NewID("user"), store.NewID("teapot")} {
			got, err := r.node(ctx, id)
			require.NoError(t, err)
			require.Nil(t, got)
		}
	})
}

// A key is FORBIDDEN what its scopes are not about, where it names an object. Of a
// node it must not even learn that there is one.
func TestWhatAKeyMayNotSeeDoesNotExistForItAndIsAnErrorForPeople(t *testing.T) {
	s := newShelf()
	a := s.put("a")
	forbidden, denied := s.fail(apperr.New(apperr.Forbidden, "Not for you.")), s.fail(privacy.Denyf("rule"))
	batched(t, s, func(t *testing.T, ctx context.Context) {
		r := loadersFrom(ctx).Resolver
		got, err := r.nodes(machine(ctx), []string{forbidden, a, denied})
		require.NoError(t, err)
		require.Equal(t, []node.Node{nil, s.notes[a], nil}, got)
		for _, id := range []string{forbidden, denied} {
			got, err := r.node(machine(ctx), id)
			require.NoError(t, err)
			require.Nil(t, got)
			_, err = r.node(signedIn(ctx), id)
			require.Error(t, err)
			_, err = r.nodes(signedIn(ctx), []string{a, id})
			require.Error(t, err)
		}
	})
}

func TestOneFailureFailsAllNodes(t *testing.T) {
	s := newShelf()
	a, broken := s.put("a"), s.fail(errors.New("broken"))
	batched(t, s, func(t *testing.T, ctx context.Context) {
		r := loadersFrom(ctx).Resolver
		for _, as := range []func(context.Context) context.Context{signedIn, machine} {
			_, err := r.nodes(as(ctx), []string{a, broken})
			require.ErrorContains(t, err, "broken")
			_, err = r.node(as(ctx), broken)
			require.ErrorContains(t, err, "broken")
		}
	})
}

func TestNodesOfNonsenseAreBadInputAtTheirArgument(t *testing.T) {
	s := newShelf()
	a := s.put("a")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		r, ctx := loadersFrom(ctx).Resolver, signedIn(ctx)
		many := make([]string, page.Most+1)
		for i := range many {
			many[i] = a
		}
		_, tooMany := r.nodes(ctx, many)
		_, one := r.node(ctx, "nonsense")
		_, amongOthers := r.nodes(ctx, []string{a, "nonsense"})
		for argument, err := range map[string][]error{"id": {one}, "ids": {tooMany, amongOthers}} {
			for _, err := range err {
				var bad *apperr.Error
				require.ErrorAs(t, err, &bad)
				require.Equal(t, apperr.BadInput, bad.Code)
				require.Equal(t, []string{argument}, bad.Path)
			}
		}
		got, err := r.nodes(ctx, many[1:])
		require.NoError(t, err)
		require.Len(t, got, page.Most)
	})
}

func TestNobodyFindsNodes(t *testing.T) {
	s := newShelf()
	a := s.put("a")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		r := loadersFrom(ctx).Resolver
		_, one := r.node(ctx, a)
		_, many := r.nodes(ctx, []string{a})
		for _, err := range []error{one, many} {
			require.True(t, apperr.Is(err, apperr.Unauthenticated), "%v", err)
		}
		require.Empty(t, s.asked, "nothing is looked up for nobody")
	})
}
