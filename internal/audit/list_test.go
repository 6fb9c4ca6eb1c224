package audit_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

func TestOnlyAdminsReadTheLog(t *testing.T) {
	onLog(t, func(t *testing.T, _ *store.Store, l *audit.Log) {
		require.NoError(t, l.Write(asAdmin(t), audit.Read, []int64{1}))
		for _, role := range auth.Roles() {
			_, err := l.List(as(t, "user_admin", role), audit.Filter{}, page.Args{})
			if role == auth.RoleAdmin {
				require.NoError(t, err)
				continue
			}
			require.True(t, apperr.Is(err, apperr.Forbidden), "%s: %v", role, err)
		}
		for _, role := range auth.Roles() {
			key := auth.Viewer{ID: "user_admin", Role: role, Key: "key_1", Scopes: auth.ScopesOf(auth.AllScopes()...)}
			_, err := l.List(auth.With(t.Context(), key), audit.Filter{}, page.Args{})
			require.True(t, apperr.Is(err, apperr.Forbidden), "a key as %s: %v", role, err)
		}
		for name, ctx := range map[string]func(testing.TB) bool{
			"nobody": func(t testing.TB) bool {
				_, err := l.List(t.Context(), audit.Filter{}, page.Args{})
				return apperr.Is(err, apperr.Unauthenticated)
			},
			"the system": func(t testing.TB) bool {
				_, err := l.List(system(t), audit.Filter{}, page.Args{})
				return apperr.Is(err, apperr.Unauthenticated)
			},
		} {
			require.True(t, ctx(t), name)
		}
	})
}

// world is entries of two readers at times with ties, newest first. Some hold
// the bytes of a number that they don't hold, across two others.
type world struct {
	ana, bob string
	begin    time.Time
	entries  []*audit.Entry
}

func newWorld(t *testing.T, s *store.Store, l *audit.Log) world {
	t.Helper()
	w := world{ana: store.NewID("user"), bob: store.NewID("user"), begin: store.Now().Add(-time.Minute)}
	lists := [][]int64{
		{1, 2}, {256}, {1, 2, 256}, {2, 1, 0}, {math.MaxInt64}, {0}, {math.MaxInt64 - 1, math.MaxInt64, 3}, numbers(1, 1000),
		{255, 256, 257}, {1 << 8, 1 << 16}, {1 << 16}, {1, 0, 1},
	}
	for i := range 60 {
		reader := []string{w.ana, w.bob, ""}[i%3]
		plant(t, s, w.begin.Add(time.Duration(i/7)*time.Millisecond), reader, lists[i%len(lists)]...)
	}
	p, err := l.List(asAdmin(t), audit.Filter{}, page.Args{First: ptr(100)})
	require.NoError(t, err)
	require.False(t, p.HasNext)
	w.entries = nodes(p)
	require.Len(t, w.entries, 60)
	require.True(t, slices.IsSortedFunc(w.entries, func(a, b *audit.Entry) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	}), "newest first")
	return w
}

// matching is what a filter must give.
func (w world) matching(f audit.Filter) []*audit.Entry {
	list := []*audit.Entry{}
	for _, e := range w.entries {
		number := int64(-1)
		if f.DialogID != nil {
			number, _ = strconv.ParseInt(*f.DialogID, 10, 64)
		}
		if (f.ReaderID == nil || e.ReaderID != nil && *e.ReaderID == *f.ReaderID) &&
			(f.Since == nil || !e.At.Before(*f.Since)) && (number < 0 || slices.Contains(e.DialogIDs, number)) {
			list = append(list, e)
		}
	}
	return list
}

// filters are all combinations.
func (w world) filters() map[string]audit.Filter {
	all := map[string]audit.Filter{}
	stranger, job := store.NewID("user"), store.NewID("job")
	for _, reader := range []*string{nil, &w.ana, &stranger, &job} {
		for _, since := range []*time.Time{
			nil, ptr(w.begin), ptr(w.begin.Add(3 * time.Millisecond)), ptr(w.begin.Add(3*time.Millisecond + time.Nanosecond)),
			ptr(w.begin.Add(3 * time.Millisecond).In(time.FixedZone("", 7200))), ptr(w.begin.Add(time.Hour)),
		} {
			for _, dialog := range []string{"", "0", "1", "2", "3", "256", "257", "65536", "512", "1000", "9223372036854775807", "0000256"} {
				f := audit.Filter{ReaderID: reader, Since: since}
				if dialog != "" {
					f.DialogID = &dialog
				}
				all[fmt.Sprintf("reader %v, since %v, dialog %q", reader, since, dialog)] = f
			}
		}
	}
	return all
}

func TestFiltersMatchWhatTheySayPageByPage(t *testing.T) {
	onLog(t, func(t *testing.T, s *store.Store, l *audit.Log) {
		w := newWorld(t, s, l)
		for name, f := range w.filters() {
			want := w.matching(f)
			require.Equal(t, len(want), count(t, l, f), name)
			require.Equal(t, want, append([]*audit.Entry{}, list(t, l, f, page.Args{First: ptr(100)})...), name)
		}
		for _, f := range []audit.Filter{
			{}, {ReaderID: &w.bob}, {DialogID: ptr("256")}, {DialogID: ptr("1"), Since: ptr(w.begin.Add(2 * time.Millisecond))},
		} {
			want := w.matching(f)
			require.Greater(t, len(want), 8)
			for _, size := range []int{1, 2, 3, 7, len(want) - 1, len(want), len(want) + 1} {
				require.Equal(t, want, walk(t, l, f, size, false), "forward by %d", size)
				require.Equal(t, want, walk(t, l, f, size, true), "backward by %d", size)
			}
		}
	})
}

// walk follows the cursors from one end of the list to the other; every page but
// the last is full.
func walk(t *testing.T, l *audit.Log, f audit.Filter, size int, backward bool) []*audit.Entry {
	t.Helper()
	args := page.Args{First: &size}
	if backward {
		args = page.Args{Last: &size}
	}
	for all := []*audit.Entry(nil); ; {
		p, err := l.List(asAdmin(t), f, args)
		require.NoError(t, err)
		more := p.HasNext
		if backward {
			more = p.HasPrevious
			all = append(nodes(p), all...)
		} else {
			all = append(all, nodes(p)...)
		}
		if !more {
			return all
		}
		require.Len(t, p.Edges, size)
		if backward {
			args.Before = &p.Edges[0].Cursor
		} else {
			args.After = &p.Edges[size-1].Cursor
		}
	}
}

func TestEntriesThatComeDuringAWalkAreNotInItTwice(t *testing.T) {
	onLog(t, func(t *testing.T, _ *store.Store, l *audit.Log) {
		write := func(n int64) { require.NoError(t, l.Write(asAdmin(t), audit.Read, []int64{n})) }
		for n := range int64(6) {
			write(n)
		}
		var seen []int64
		for args := (page.Args{First: ptr(2)}); ; {
			p, err := l.List(asAdmin(t), audit.Filter{}, args)
			require.NoError(t, err)
			for _, e := range nodes(p) {
				seen = append(seen, e.DialogIDs...)
			}
			if !p.HasNext {
				break
			}
			write(100)
			args.After = &p.Edges[1].Cursor
		}
		require.Equal(t, []int64{5, 4, 3, 2, 1, 0}, seen)
	})
}

func TestWrongFiltersAreBadInput(t *testing.T) {
	onLog(t, func(t *testing.T, _ *store.Store, l *audit.Log) {
		for _, dialog := range []string{
			"", " ", "x", "-1", "-0", "+1", "1.0", "1e3", "0x10", "1_000", " 1", "1 ", "٣", "\x00", "1\x00",
			"9223372036854775808", "18446744073709551616", strings.Repeat("9", 100_000),
		} {
			_, err := l.List(asAdmin(t), audit.Filter{DialogID: &dialog}, page.Args{})
			refused(t, err, apperr.BadInput, "filter", "dialogId")
			require.Less(t, len(err.Error()), 200)
		}
		for _, reader := range []string{"", "x", "user_", "user_1", "\x00", store.NewID("user") + "\x00", strings.Repeat("x", 100_000)} {
			_, err := l.List(asAdmin(t), audit.Filter{ReaderID: &reader}, page.Args{})
			refused(t, err, apperr.BadInput, "filter", "readerId")
			require.Less(t, len(err.Error()), 200)
		}
		_, err := l.List(asAdmin(t), audit.Filter{}, page.Args{First: ptr(101)})
		refused(t, err, apperr.BadInput, "first")
		_, err = l.List(asAdmin(t), audit.Filter{}, page.Args{After: ptr("x")})
		refused(t, err, apperr.BadInput, "after")
	})
}
