package page_test

import (
	"encoding/base64"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/page"
)

// numbered gives a list of n rows, the newest first, two of each time.
func numbered(n int) []page.Key {
	rows := make([]page.Key, n)
	for i := range rows {
		rows[i] = page.Key{At: time.UnixMicro(int64(1000 - i/2)).UTC(), ID: strconv.Itoa(9 - i%2)}
	}
	return rows
}

func newest(rows []page.Key, args page.Args) (*page.Page[page.Key], error) {
	later := func(a, b page.Key) bool { return a.At.After(b.At) || a.At.Equal(b.At) && a.ID > b.ID }
	return page.Newest(args, "NUMBERS", func(p page.Key) page.Key { return p }, func(s page.Span) (found []page.Key, err error) {
		for i := range rows {
			row := rows[i]
			if s.Backward {
				row = rows[len(rows)-1-i]
			}
			if (s.After == nil || later(*s.After, row)) && (s.Before == nil || later(row, *s.Before)) && len(found) < s.Limit {
				found = append(found, row)
			}
		}
		return found, nil
	}, func() (int, error) { return len(rows), nil })
}

func TestNewestGoesThroughAListBothWays(t *testing.T) {
	t.Parallel()
	rows := numbered(11)
	for size := 1; size <= 12; size++ {
		var forward, backward []page.Key
		for args := (page.Args{First: &size}); ; {
			p, err := newest(rows, args)
			require.NoError(t, err)
			require.Equal(t, args.After != nil, p.HasPrevious)
			for _, e := range p.Edges {
				forward = append(forward, e.Node)
			}
			if !p.HasNext {
				break
			}
			args.After = &p.Edges[len(p.Edges)-1].Cursor
		}
		for args := (page.Args{Last: &size}); ; {
			p, err := newest(rows, args)
			require.NoError(t, err)
			var part []page.Key
			for _, e := range p.Edges {
				part = append(part, e.Node)
			}
			backward = append(part, backward...)
			if !p.HasPrevious {
				break
			}
			args.Before = &p.Edges[0].Cursor
		}
		require.Equal(t, rows, forward)
		require.Equal(t, rows, backward)
	}
}

func TestNewestTakesItsOwnCursorsOnly(t *testing.T) {
	t.Parallel()
	p, err := newest(numbered(3), page.Args{})
	require.NoError(t, err)
	good := p.Edges[0].Cursor
	encode := base64.RawURLEncoding.EncodeToString
	for _, bad := range []string{
		"", "x", good + "A", good[:len(good)-1], good + "=", encode([]byte("pn1.OTHERS.1000.9")), encode([]byte("pn1.NUMBERS.x.9")),
		encode([]byte("pn1.NUMBERS.1000.")), encode([]byte("pn1.NUMBERS.+1000.9")), encode([]byte("pn1.NUMBERS.01000.9")),
		encode([]byte("pn1.NUMBERS.1000.\x00")), encode([]byte("pn1.NUMBERS.1000.\xff")), encode([]byte("pn1.NUMBERS.9223372036854775807.9")),
		encode([]byte("pn1.NUMBERS.-9223372036854775808.9")),
	} {
		for _, args := range []page.Args{{After: &bad}, {Before: &bad}} {
			_, err := newest(numbered(3), args)
			require.True(t, apperr.Is(err, apperr.BadInput), bad)
		}
	}
	_, err = newest(numbered(3), page.Args{After: &good, Before: &good})
	require.NoError(t, err)
}

func TestASpanHasNoMoreBoundsThanNeeded(t *testing.T) {
	t.Parallel()
	plain, fixed := page.Index{Time: "at", ID: "id"}, page.Index{Fixed: []string{"k"}, Time: "at", ID: "id"}
	closed := fixed
	closed.Closed = true
	place := &page.Key{At: time.UnixMicro(5).UTC(), ID: "a"}
	for _, test := range []struct {
		span  page.Span
		index page.Index
		want  string
		args  int
	}{
		{page.Span{Limit: 11}, plain, " ORDER BY at DESC, id DESC LIMIT 11", 0},
		{page.Span{Limit: 7, After: place}, plain, " AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?", 3},
		{page.Span{Limit: 11, Before: place, Backward: true}, plain, " AND (at, id) > (?, ?) ORDER BY at, id LIMIT 11", 2},
		{page.Span{Limit: 11}, fixed, " AND (k, at, id) < (?, ?, ?) ORDER BY k DESC, at DESC, id DESC LIMIT 11", 3},
		{page.Span{Limit: 11, Backward: true}, fixed, " AND (k, at, id) > (?, ?, ?) ORDER BY k, at, id LIMIT 11", 3},
		{page.Span{Limit: 11, Before: place}, fixed, " AND (k, at, id) < (?, ?, ?) AND (k, at, id) > (?, ?, ?) ORDER BY k DESC, at DESC, id DESC LIMIT 11", 6},
		{page.Span{Limit: 11}, closed, " AND (k, at, id) < (?, ?, ?) AND (k, at, id) > (?, ?, ?) ORDER BY k DESC, at DESC, id DESC LIMIT 11", 6},
	} {
		var values []any
		if len(test.index.Fixed) > 0 {
			values = []any{"v"}
		}
		sql, args := test.span.SQL(test.index, values, nil)
		require.Equal(t, test.want, sql)
		require.Len(t, args, test.args)
	}
}
