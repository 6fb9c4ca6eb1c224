package sticker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/page"
	"parley/internal/sticker"
)

var (
	newest = sticker.Order{Field: sticker.OrderCreated, Descending: true}
	byName = sticker.Order{Field: sticker.OrderName}
	none   = page.Args{}
)

func names(p *page.Page[*sticker.Sticker]) string {
	all := make([]string, len(p.Edges))
	for i, e := range p.Edges {
		all[i] = e.Node.Name
	}
	return strings.Join(all, " ")
}

func TestAListHasTheViewersOwnAndThePublicStickers(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.added(as(t, owner), sticker.AddInput{Files: files(t, "b", "Äa", "C"), Tags: [][]string{{"fruit"}, {"fruit%", "red \"apple\""}, nil}, Visibility: sticker.Private})
		r.private(stranger, "secret")
		r.public("Public")
		for _, c := range []struct {
			filter sticker.Filter
			want   string
		}{
			{sticker.Filter{}, "b C Public Äa"},
			{sticker.Filter{Mine: true}, "b C Äa"},
			{sticker.Filter{Visibility: ptr(sticker.Public)}, "Public"},
			{sticker.Filter{Visibility: ptr(sticker.Private)}, "b C Äa"},
			{sticker.Filter{Tag: ptr("fruit")}, "b"},
			{sticker.Filter{Tag: ptr("red \"apple\"")}, "Äa"},
			{sticker.Filter{Tag: ptr("Fruit")}, ""},
			{sticker.Filter{Name: ptr("pu")}, "Public"},
			{sticker.Filter{Name: ptr("ÄA")}, "Äa"},
			{sticker.Filter{Name: ptr("%")}, ""},
			{sticker.Filter{Name: ptr("secret")}, ""},
			{sticker.Filter{Name: ptr("c"), Mine: true}, "C"},
		} {
			p, err := r.List(as(t, owner), c.filter, byName, none)
			require.NoError(t, err)
			require.Equal(t, c.want, names(p), "%+v", c.filter)
			n, err := p.Count()
			require.NoError(t, err)
			require.Equal(t, len(p.Edges), n)
		}
		p, err := r.List(admin(t), sticker.Filter{}, byName, none)
		require.NoError(t, err)
		require.Equal(t, "Public", names(p), "an admin's list is no list of everybody's")
		_, err = r.List(t.Context(), sticker.Filter{}, byName, none)
		refused(t, err, apperr.Unauthenticated)
		_, err = r.List(as(t, owner), sticker.Filter{Tag: ptr(strings.Repeat("x", 65))}, byName, none)
		refused(t, err, apperr.BadInput, "filter", "tag")
		_, err = r.List(as(t, owner), sticker.Filter{Name: ptr("a\x00")}, byName, none)
		refused(t, err, apperr.BadInput, "filter", "name")
		_, err = r.List(as(t, owner), sticker.Filter{}, sticker.Order{Field: "SIZE"}, none)
		refused(t, err, apperr.BadInput, "orderBy")
	})
}

func TestPagesAreStableWhileStickersComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		var some []string
		for i := range 25 {
			some = append(some, fmt.Sprintf("%02d", i))
		}
		all := r.added(as(t, owner), sticker.AddInput{Files: files(t, some...), Visibility: sticker.Private})
		for _, order := range []sticker.Order{byName, {Field: sticker.OrderName, Descending: true}, newest, {Field: sticker.OrderCreated}} {
			var seen []string
			args := page.Args{First: ptr(10)}
			for more := true; more; {
				p, err := r.List(as(t, owner), sticker.Filter{}, order, args)
				require.NoError(t, err)
				for _, e := range p.Edges {
					seen = append(seen, e.Node.Name)
				}
				args.After, more = &p.Edges[len(p.Edges)-1].Cursor, p.HasNext
			}
			require.Len(t, seen, 25)
			require.ElementsMatch(t, some, seen)
		}
		p, err := r.List(as(t, owner), sticker.Filter{}, byName, page.Args{First: ptr(3)})
		require.NoError(t, err)
		require.Equal(t, "00 01 02", names(p))
		_, err = r.Delete(as(t, owner), all[2].ID)
		require.NoError(t, err)
		r.private(owner, "00a")
		p, err = r.List(as(t, owner), sticker.Filter{}, byName, page.Args{First: ptr(3), After: &p.Edges[2].Cursor})
		require.NoError(t, err)
		require.Equal(t, "03 04 05", names(p))
		_, err = r.List(as(t, owner), sticker.Filter{}, newest, page.Args{After: &p.Edges[2].Cursor})
		refused(t, err, apperr.BadInput, "after")
	})
}
