package sticker_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/page"
	"parley/internal/sticker"
)

// shipped is a set of n stickers; at is called before each.
func shipped(t testing.TB, n int, at func(i int)) iter.Seq2[sticker.Shipped, error] {
	return func(yield func(sticker.Shipped, error) bool) {
		for i := range n {
			if at != nil {
				at(i)
			}
			one := sticker.Shipped{Name: fmt.Sprintf("set-%03d.png", i), Caption: "one of a set", Tags: []string{"set"}, Licence: "MIT", File: picture(t, byte(i))}
			if !yield(one, nil) {
				return
			}
		}
	}
}

// all gives the names of the public stickers.
func (r *room) all() []string {
	r.t.Helper()
	var all []string
	args := page.Args{First: ptr(100)}
	for more := true; more; {
		p, err := r.List(as(r.t, stranger), sticker.Filter{}, byName, args)
		require.NoError(r.t, err)
		for _, e := range p.Edges {
			all = append(all, e.Node.Name)
			args.After = &e.Cursor
		}
		more = p.HasNext
	}
	return all
}

func TestASetIsAddedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.public("SET-003.png")
		before := event.Cursor{Position: int64(len(r.events(event.Cursor{})))}
		added, err := r.Fill(t.Context(), "set", shipped(t, 120, nil))
		require.NoError(t, err)
		require.Equal(t, 119, added, "a name that is taken is left out")
		require.Empty(t, r.events(before), "clients don't hear of so many at once")
		require.Len(t, r.told, 120, "the watcher does")
		require.Len(t, r.all(), 120)
		p, err := r.List(as(t, owner), sticker.Filter{Name: ptr("set-005")}, byName, none)
		require.NoError(t, err)
		one := p.Edges[0].Node
		require.Equal(t, []any{"set-005.png", "one of a set", []string{"set"}, "MIT", true, sticker.Public, false},
			[]any{one.Name, one.Caption, one.Tags, *one.Licence, one.System(), one.SeenBy(), strings.Contains(one.URL, "signature")})
		_, err = r.Delete(admin(t), one.ID)
		require.NoError(t, err)
		for range 2 {
			added, err = r.Fill(t.Context(), "set", shipped(t, 120, nil))
			require.NoError(t, err)
			require.Zero(t, added, "what was deleted stays away")
		}
		added, err = r.Fill(t.Context(), "set", shipped(t, 125, nil))
		require.NoError(t, err)
		require.Equal(t, 5, added, "the set has grown")
		require.Len(t, r.all(), 124)
	})
}

func TestAFillThatWasCutOffGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := r.Fill(ctx, "set", shipped(t, 120, func(i int) {
			if i == 75 {
				cancel()
			}
		}))
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, r.all(), 50, "whole steps")
		added, err := r.Fill(t.Context(), "set", shipped(t, 120, nil))
		require.NoError(t, err)
		require.Equal(t, 70, added)
		require.Len(t, r.all(), 120)
		require.Equal(t, 120, r.count("media"))
	})
}

func TestSeveralAtATimeAddEachOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		var wait sync.WaitGroup
		total := make([]int, 3)
		for i := range total {
			wait.Go(func() {
				var err error
				total[i], err = r.Fill(t.Context(), "set", shipped(t, 130, nil))
				assert.NoError(t, err)
			})
		}
		wait.Wait()
		require.Equal(t, 130, total[0]+total[1]+total[2])
		require.Len(t, r.all(), 130)
		require.Equal(t, 130, r.count("media"))
	})
}

func TestASetThatIsBrokenSaysWhere(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		broken := errors.New("broken")
		_, err := r.Fill(t.Context(), "set", func(yield func(sticker.Shipped, error) bool) { yield(sticker.Shipped{}, broken) })
		require.ErrorIs(t, err, broken)
		_, err = r.Fill(t.Context(), "set", func(yield func(sticker.Shipped, error) bool) {
			yield(sticker.Shipped{Name: "no.png", File: []byte("x")}, nil)
		})
		require.ErrorContains(t, err, "the sticker no.png of the set set")
		require.True(t, apperr.Is(err, apperr.BadInput))
		require.Zero(t, r.count("stickers"))
	})
}
